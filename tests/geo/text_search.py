"""A small reader of PostgreSQL's tsvector and tsquery text that shares no code with ours."""

import re

from geo.search.words import document_terms, query_terms, tsquery_text, tsvector_literal

QUOTED = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)


def read_tsvector(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        lexeme = QUOTED.match(text, at)
        assert lexeme, f"no quoted lexeme at {text[at:]!r}"
        place = re.compile(r":([1-9][0-9]*)([ABCD])(?: |$)").match(text, lexeme.end())
        assert place, f"no place at {text[lexeme.end() :]!r}"
        assert int(place[1]) < 16384
        assert lexeme[1] not in found
        found[lexeme[1]] = place[1] + place[2]
        at = place.end()
    return found


def tsquery_matches(text: str, lexemes: dict[str, str]) -> bool:
    """Evaluate a tsquery of quoted lexemes, `:*`, `&`, `|` and brackets; AssertionError on any other syntax."""
    at = 0

    def skip() -> None:
        nonlocal at
        while text[at : at + 1] == " ":
            at += 1

    def either() -> bool:
        nonlocal at
        result = both()
        while text[at : at + 1] == "|":
            at += 1
            result = both() or result
        return result

    def both() -> bool:
        nonlocal at
        result = one()
        while text[at : at + 1] == "&":
            at += 1
            result = one() and result
        return result

    def one() -> bool:
        nonlocal at
        skip()
        if text[at : at + 1] == "(":
            at += 1
            result = either()
            assert text[at : at + 1] == ")", text[at:]
            at += 1
        else:
            lexeme = QUOTED.match(text, at)
            assert lexeme, f"no operand at {text[at:]!r}"
            assert lexeme[1], f"empty operand at {text[at:]!r}"
            at = lexeme.end()
            if text.startswith(":*", at):
                at += 2
                result = any(known.startswith(lexeme[1]) for known in lexemes)
            else:
                result = lexeme[1] in lexemes
        skip()
        return result

    matched = either()
    assert at == len(text), f"left over: {text[at:]!r}"
    return matched


def finds(q: str, name: str, *aliases: str, address: str = "") -> bool:
    query = query_terms(q)
    assert query, f"{q!r} asks for nothing"
    return tsquery_matches(
        tsquery_text(query), read_tsvector(tsvector_literal(document_terms(name, aliases, address)))
    )
