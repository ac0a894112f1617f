"""Search terms of hostile and huge texts: no syntax error, no unbounded size."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.search.pinyin import MAX_VARIANTS, SPELLING_LETTERS, readings
from geo.search.words import (
    MAX_ALIASES,
    MAX_LEXEMES,
    MAX_QUERY_CHARS,
    QueryTerms,
    SearchTerms,
    Term,
    document_terms,
    query_terms,
    tsquery_text,
    tsvector_literal,
)
from tests.geo.text_search import finds, read_tsvector, tsquery_matches

nasty = st.text(
    st.one_of(st.sampled_from("'\\&|!:*()<->\0\n\t \ud800\u200b中助餐点1aBé号٣²ﷺß"), st.characters()),
    max_size=90,
)


@given(q=nasty)
@example(q="'; DROP TABLE site; --")
@example(q="a:*&!(b|c)<->'\\'")
@example(q="\\")
@settings(max_examples=500)
def test_no_query_makes_a_syntax_error(q: str) -> None:
    terms = query_terms(q)
    text = tsquery_text(terms)
    assert bool(terms) == bool(text)
    if text:
        tsquery_matches(text, {})
    (text + terms.latin).encode()  # a lone surrogate would fail here
    assert "\0" not in text + terms.latin


@given(name=nasty, alias=nasty, address=nasty)
@settings(max_examples=300)
def test_no_document_makes_a_syntax_error(name: str, alias: str, address: str) -> None:
    terms = document_terms(name, [alias], address)
    text = tsvector_literal(terms)
    assert read_tsvector(text) == dict(terms.places)
    (text + terms.latin).encode()
    assert "\0" not in text + terms.latin


def test_quotes_and_backslashes_would_be_escaped_if_a_lexeme_ever_held_one() -> None:
    assert tsvector_literal(SearchTerms({"a'b\\": "1A"}, "")) == r"'a''b\\':1A"
    assert tsquery_text(QueryTerms((((Term("a'b\\"),),),), "")) == r"'a''b\\'"


@pytest.mark.parametrize("q", ["", "   ", "'&|!:*()\\", "。，、", "\0", "\ud800", "\u200b"])
def test_a_query_of_nothing_asks_for_nothing(q: str) -> None:
    assert not query_terms(q)
    assert tsquery_text(query_terms(q)) == ""


def test_sizes_are_bounded_whatever_comes_in() -> None:
    huge = "".join(chr(0x4E00 + i) for i in range(5000)) + "abc " * 5000
    terms = document_terms(huge, [huge] * 1000, huge)
    assert len(terms.places) <= MAX_LEXEMES
    assert len(terms.weighted("A")) > 0
    assert len(query_terms(huge).clauses) <= MAX_QUERY_CHARS
    assert all(len(lexeme) <= SPELLING_LETTERS + 1 for lexeme in terms.places)
    assert len(readings("长长长长长长")) <= MAX_VARIANTS
    ligatures = "\ufdfa" * 500  # one character that NFKC writes as eighteen
    read_tsvector(tsvector_literal(document_terms(ligatures, [ligatures] * MAX_ALIASES, ligatures)))


def test_a_long_query_cut_inside_a_word_still_finds_the_name_it_was_pasted_from() -> None:
    name = "中川镇助餐点" * 10 + "123456号楼"  # the limit falls inside the number
    assert len(name) > MAX_QUERY_CHARS
    assert finds(name, name)
