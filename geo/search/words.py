"""Names, aliases, addresses and queries turned into search terms. Pure: PostgreSQL stores and matches them.

What a document holds, for `tsvector` under GIN, weight A for the name, B for aliases, C for the address:
- every two neighbouring characters of Chinese text; in names and aliases also each single one (in addresses every site
  has 路 and 号, and finding all of them helps nobody);
- Latin words and numbers, and a number with the character on either side (路128, 128号, b2座);
- for names and aliases the pinyin and initials from each word to the end (`geo/search/pinyin.py`), matched by prefix.
A lexeme keeps one place: in the name if it is there, else in an alias, else in the address. Places are those of the
characters, so that `ts_rank` puts 助餐点 before 助餐…餐点; with one shared place it would rank every AND as 1e-20.
Words of three characters and more are no lexemes: their pairs say the same, and places tell whether they touch.

Out of scope: traditional characters (they are matched as written), and 第三 against 第3.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from geo.search.pinyin import SPELLING_LETTERS, readings, spellings, words_of

MAX_QUERY_CHARS = 64
MAX_TEXT_CHARS = 256  # of a name, an alias or an address; the rest is not searched
MAX_ALIASES = 16
MAX_LEXEMES = 400  # a document; names come first, so that a long address loses its tail
MAX_LATIN_CHARS = 256
_GAP = 10  # places between two texts: words at the end of one are not next to the start of another
_LONGEST_SYLLABLE = 6  # zhuang
_LAST_PLACE = 1 + (MAX_TEXT_CHARS + _GAP) * (MAX_ALIASES + 2)  # below tsvector's 16,383
_PLACES = {weight: [f"{place}{weight}" for place in range(_LAST_PLACE + 1)] for weight in "ABC"}

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(rf"(?P<han>[{_HAN}]+)|[^\W_{_HAN}]+")
_HAN_BEFORE = re.compile(rf"([{_HAN}])[\W_]*\Z")
_HAN_AFTER = re.compile(rf"[\W_]*([{_HAN}])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]")
_MARK = re.compile("[\u0300-\u036f]")
_NEEDS_ESCAPE = re.compile(r"['\\]")
_U_UMLAUT = str.maketrans("üǖǘǚǜ", "vvvvv")


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """A document: each lexeme with its place and weight as `tsvector` writes them, and pinyin for trigrams.

    `latin` is the pinyin of the name and aliases, a word each ("zhongchuan zhen laonian zhucandian"), usual readings
    first: compare it with `QueryTerms.latin` by `word_similarity` when nothing matches.
    """

    places: Mapping[str, str]  # {"助餐": "10A", "zcd": "10A", "128号": "47C"}
    latin: str

    def weighted(self, weight: str) -> list[str]:
        """The lexemes of weight "A" (name), "B" (alias) or "C" (address)."""
        return [lexeme for lexeme, place in self.places.items() if place.endswith(weight)]


@dataclass(frozen=True, slots=True)
class Term:
    """One lexeme to match, whole or as a prefix."""

    lexeme: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """What must match: every clause; of a clause any alternative; of an alternative every term.

    Falsy when the query holds nothing to search for. `latin` is for trigrams (typos, and wrong characters that sound
    right): see `SearchTerms.latin`.
    """

    clauses: tuple[tuple[tuple[Term, ...], ...], ...]
    latin: str

    def __bool__(self) -> bool:
        return bool(self.clauses)


def document_terms(name: str, aliases: Iterable[str] = (), address: str | None = None) -> SearchTerms:
    """The search terms of a site. Accepts any text; long ones are cut (MAX_*), never refused."""
    places: dict[str, str] = {}
    latin: dict[str, None] = {}
    at = _add_text(places, latin, name, 1, "A")
    for alias, _ in zip(aliases, range(MAX_ALIASES), strict=False):
        at = _add_text(places, latin, alias, at, "B")
    _add_text(places, None, address or "", at, "C")
    if len(places) > MAX_LEXEMES:
        places = dict(list(places.items())[:MAX_LEXEMES])
    return SearchTerms(places, _cut_words(latin))


def query_terms(q: str) -> QueryTerms:
    """What a query asks for. Accepts any text; only its first MAX_QUERY_CHARS characters count."""
    clauses: dict[tuple[tuple[Term, ...], ...], None] = {}
    latin: list[str] = []
    spelled: list[str] = []  # Latin words in a row, which may be one name typed with spaces: zhu can dian

    def close_spelled() -> None:
        if spelled:
            clauses.update(dict.fromkeys(_spelled_clauses(spelled)))
            joined = len(spelled) > 1 and all(len(word) <= _LONGEST_SYLLABLE for word in spelled)
            latin.extend(["".join(spelled)] if joined else spelled)
            spelled.clear()

    text = normalise(q[:MAX_QUERY_CHARS])
    runs = list(_RUN.finditer(text))
    if len(q) > MAX_QUERY_CHARS and len(runs) > 1 and runs[-1].end() == len(text) and not runs[-1]["han"]:
        runs.pop()  # a word or number cut in half would match nothing
    for i, match in enumerate(runs):
        run = match[0]
        before = _beside(text, runs[i - 1], match) if i else ""
        after = _beside(text, match, runs[i + 1]) if i + 1 < len(runs) else ""
        if match["han"]:
            close_spelled()
            latin.extend(_pinyin_words(words_of(run)))
            if len(run) > 1:
                clauses.update(dict.fromkeys(((Term(run[k : k + 2]),),) for k in range(len(run) - 1)))
            elif not before and not after:  # else the number beside it asks for it
                clauses[((Term(run),),)] = None
        elif run.isalpha():
            spelled.append(run)
        else:
            close_spelled()
            number = run[:SPELLING_LETTERS]
            latin.append(number)
            # A number is meant whole (12号 is not 128号); b2 may still be being typed.
            open_ended = not after and not run.isdecimal()
            if after:
                clauses[((Term(number + after),),)] = None
            if before or not after:
                clauses[((Term(before + number, prefix=open_ended),),)] = None
    close_spelled()
    return QueryTerms(tuple(clauses), " ".join(dict.fromkeys(latin))[:MAX_LATIN_CHARS])


def tsvector_literal(terms: SearchTerms) -> str:
    """Text for `CAST(:text AS tsvector)`: 'zcd':10A '助餐':10A. The cast sorts it."""
    if _NEEDS_ESCAPE.search("".join(terms.places)):
        return " ".join([f"{_quoted(lexeme)}:{place}" for lexeme, place in terms.places.items()])
    return " ".join([f"'{lexeme}':{place}" for lexeme, place in terms.places.items()])


def tsquery_text(terms: QueryTerms) -> str:
    """Text for `CAST(:text AS tsquery)`: '助餐' & 'zcd':*. Empty for an empty query: do not search with that.

    Every lexeme is quoted, so nothing a caller types is an operator.
    """
    return " & ".join(_clause_text(clause) for clause in terms.clauses)


def normalise(text: str) -> str:
    """Text as it is compared: full width to half (NFKC), lower case, Latin letters without marks, ü as v."""
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    if _ACCENTED.search(text):
        text = unicodedata.normalize("NFC", text).translate(_U_UMLAUT)
        text = unicodedata.normalize("NFC", _MARK.sub("", unicodedata.normalize("NFD", text)))
    return text


def _add_text(places: dict[str, str], latin: dict[str, None] | None, text: str, at: int, weight: str) -> int:
    """Add one text whose first character has place `at`; returns the first place of the next text."""
    text = normalise(text[:MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]
    add = places.setdefault
    place_at = _PLACES[weight].__getitem__
    for han, start, run in _stretches(text):
        here = at + start
        if not han:
            word = run[:SPELLING_LETTERS]
            add(word, place_at(here))
            if latin is not None:
                latin[word] = None
            before, after = _han_around(text, start, start + len(run))
            if run.isalpha():  # the 座 of "B座" is all that is left of it when asked for
                before_lexeme, after_lexeme = before, after
            else:
                before_lexeme, after_lexeme = before and before + word, after and word + after
            for lexeme in filter(None, (before_lexeme, after_lexeme)):
                add(lexeme, place_at(here))
            continue
        if latin is None:
            for offset, lexeme in _address_pairs(run):
                add(lexeme, place_at(here + offset))
            continue
        lexemes, spelled = _name_lexemes(run)
        for offset, lexeme in lexemes:
            add(lexeme, place_at(here + offset))
        latin.update(dict.fromkeys(spelled))
    return at + len(text) + _GAP


@lru_cache(maxsize=4096)  # 社区老年助餐点 ends many names
def _name_lexemes(run: str) -> tuple[list[tuple[int, str]], list[str]]:
    """(offset, lexeme) of a Chinese run of a name: pairs, characters, spellings; and its words as they are spelled."""
    words = words_of(run)
    lexemes = [*_pairs(run), *enumerate(run)]
    for offset, full, initials in spellings(words):
        lexemes += [(offset, spelling) for spelling in full if spelling]
        # One letter would be found by the B of "B座".
        lexemes += [(offset, spelling) for spelling in initials if len(spelling) > 1]
    return lexemes, list(_pinyin_words(words))


def _pairs(run: str) -> list[tuple[int, str]]:
    return [(i, run[i : i + 2]) for i in range(len(run) - 1)]


_address_pairs = lru_cache(maxsize=4096)(_pairs)  # sites share streets far more than they share names


def _stretches(text: str) -> Iterator[tuple[bool, int, str]]:
    """(is Chinese, start, run). Chinese runs with nothing but punctuation between are one: 中川镇·助餐点 is also
    found without the dot."""
    held, held_at = "", 0
    for match in _RUN.finditer(text):
        if match["han"]:
            held_at = held_at if held else match.start()
            held += match[0]
            continue
        if held:
            yield True, held_at, held
            held = ""
        yield False, match.start(), match[0]
    if held:
        yield True, held_at, held


def _han_around(text: str, start: int, end: int) -> tuple[str, str]:
    """The Chinese characters before `start` and from `end` on, looking past punctuation; "" where there is none."""
    before, after = _HAN_BEFORE.search(text, 0, start), _HAN_AFTER.match(text, end)
    return (before[1] if before else ""), (after[1] if after else "")


def _beside(text: str, left: re.Match[str], right: re.Match[str]) -> str:
    """Of a number and a Chinese run next to each other in a query, the character that belongs to the number.

    They touch, or the run is a single character after a space (128 号).
    """
    han, other = (left, right) if left["han"] else (right, left)
    if not han["han"] or other["han"] or other[0].isalpha():
        return ""
    gap = text[left.end() : right.start()]
    if gap and not (gap.isspace() and len(han[0]) == 1):
        return ""
    return han[0][-1] if han is left else han[0][0]


def _pinyin_words(words: list[str]) -> Iterator[str]:
    for word in words:
        for way in readings(word):
            spelled = "".join(way)
            if spelled:
                yield spelled


def _spelled_clauses(words: list[str]) -> Iterator[tuple[tuple[Term, ...], ...]]:
    terms = [_spelled_term(word) for word in words]
    if len(words) == 1:
        yield ((terms[0],),)
    else:
        yield (tuple(dict.fromkeys(terms)), (_spelled_term("".join(words)),))


def _spelled_term(word: str) -> Term:
    """A single letter is meant whole: as a prefix it would match nearly every site."""
    return Term(word[:SPELLING_LETTERS], prefix=len(word) > 1)


def _clause_text(clause: tuple[tuple[Term, ...], ...]) -> str:
    ways = [" & ".join(_quoted(t.lexeme) + (":*" if t.prefix else "") for t in way) for way in clause]
    return ways[0] if len(ways) == 1 else f"( {' | '.join(ways)} )"


def _quoted(lexeme: str) -> str:
    return "'" + _NEEDS_ESCAPE.sub(r"\g<0>\g<0>", lexeme) + "'"  # no run holds one: a second lock on the door


def _cut_words(words: Iterable[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= MAX_LATIN_CHARS else text[: text.rfind(" ", 0, MAX_LATIN_CHARS + 1)]
