"""Words and readings of Chinese text: where words begin, and how they are typed in Latin letters.

Segmentation is rjieba with the words of `data/words.txt` added (by default it cuts 助餐点 into 助 and 餐点).
Readings are pypinyin's, without tones, ü written v as input methods do; a few common characters with two readings
get both unless the word they stand in settles the matter. Caches hold one entry a distinct word.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

import rjieba
from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PHRASES_DICT

SPELLING_LETTERS = (
    24  # a spelling keeps this many letters (6 to 12 characters), in documents and queries alike
)
MAX_VARIANTS = 4  # spellings kept for one beginning, most usual first
WORDS_FILE = Path(__file__).parent.parent / "data" / "words.txt"
_OWN_WORD_FREQUENCY = 1_000_000  # above every word of the dictionary, so that ours are kept whole
_CACHED_WORDS = 1 << 16

# Characters whose second reading is common in names of places and services. The usual reading comes first.
HETERONYMS: dict[str, tuple[str, ...]] = {
    "重": ("zhong", "chong"),
    "乐": ("le", "yue"),
    "行": ("xing", "hang"),
    "长": ("chang", "zhang"),
    "厦": ("sha", "xia"),
    "堡": ("bao", "pu", "bu"),
    "咀": ("zui", "ju"),
    "巷": ("xiang", "hang"),
    "都": ("du", "dou"),
    "调": ("diao", "tiao"),
    "朝": ("chao", "zhao"),
    "藏": ("cang", "zang"),
    "单": ("dan", "shan"),
    "校": ("xiao", "jiao"),
    "便": ("bian", "pian"),
    "参": ("can", "shen"),
    "什": ("shi", "shen"),
    "宕": ("dang", "tan"),
    "卜": ("bu", "bo"),
    "种": ("zhong", "chong"),
    "解": ("jie", "xie"),
    "角": ("jiao", "jue"),
    "曾": ("zeng", "ceng"),
    "湫": ("qiu", "jiao"),
    "率": ("lv", "shuai"),
    "传": ("chuan", "zhuan"),
    "阿": ("a", "e"),
    "尉": ("wei", "yu"),
    "盛": ("sheng", "cheng"),
}

Syllables = tuple[str, ...]  # one a character, "" where a character has no known reading


class Spelling(NamedTuple):
    """How a text can be typed from the word at character `offset` on, cut to SPELLING_LETTERS."""

    offset: int
    full: tuple[str, ...]  # zhucandian, the usual reading first
    initials: tuple[str, ...]  # zcd


def words_of(text: str) -> list[str]:
    """Chinese text (no spaces or punctuation) cut into words; joined again they give `text`."""
    _teach_words()
    return rjieba.cut(text, False)  # no HMM: it guesses words differently from one context to another


@lru_cache(maxsize=_CACHED_WORDS)
def readings(word: str) -> tuple[Syllables, ...]:
    """The readings of one word, at most MAX_VARIANTS, the usual one first."""
    own = _own_words().get(word)
    if own:
        return own
    usual = tuple(_letters(s) for s in lazy_pinyin(word, style=Style.NORMAL, errors=lambda _: ""))
    if len(usual) != len(word):  # several unknown characters in a row come back as one
        return (usual,)
    if len(word) > 1 and word in PHRASES_DICT:
        return (usual,)
    choices = [
        (s, *(other for other in HETERONYMS.get(char, ()) if other != s))
        for char, s in zip(word, usual, strict=True)
    ]
    return tuple(islice(product(*choices), MAX_VARIANTS))


def spellings(words: list[str]) -> list[Spelling]:
    """How a text, given as `words_of` it, is typed from the start of each word, or word within a word, to its end.

    Prefix matching on them finds a name by any run of its words: 老年助餐点 is found by laonian, zhucan, lnzcd and zcd.
    """
    found: list[Spelling] = []
    rest_full: tuple[str, ...] = ("",)
    rest_initials: tuple[str, ...] = ("",)
    offset = sum(map(len, words))
    for word in reversed(words):
        offset -= len(word)
        after_full, after_initials = rest_full, rest_initials
        for start, full, initials in _beginnings(word):  # the last one starts the word itself
            rest_full, rest_initials = _prefixed(full, after_full), _prefixed(initials, after_initials)
            found.append(Spelling(offset + start, rest_full, rest_initials))
    return found


@lru_cache(maxsize=_CACHED_WORDS)
def _beginnings(word: str) -> tuple[Spelling, ...]:
    """A word's spellings from each place a word begins in it, last first: 日间照料中心 has 中心, 照料 and 日间照料中心."""
    ways = readings(word)
    starts = {0}
    if len(word) > 2 and all(len(way) == len(word) for way in ways):
        _teach_words()
        found = rjieba.tokenize(word, "search", False)
        starts.update(start for _, start, end in found if end - start > 1)
    return tuple(
        Spelling(
            start,
            tuple(dict.fromkeys("".join(way[start:]) for way in ways)),
            tuple(dict.fromkeys("".join(s[:1] for s in way[start:]) for way in ways)),
        )
        for start in sorted(starts, reverse=True)
    )


def _prefixed(heads: tuple[str, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """Every head before the usual rest, then the usual head before the other rests: what is typed first counts most."""
    if len(heads) == 1 and len(rest) == 1:
        return ((heads[0] + rest[0])[:SPELLING_LETTERS],)
    joined = [head + rest[0] for head in heads] + [heads[0] + other for other in rest[1:]]
    return tuple(islice(dict.fromkeys(text[:SPELLING_LETTERS] for text in joined), MAX_VARIANTS))


def _letters(syllable: str) -> str:
    """pypinyin writes a few interjections with letters outside a-z (ê, hm with a mark); those are not typed."""
    return syllable if syllable.isascii() and syllable.isalpha() else ""


@cache
def _own_words() -> dict[str, tuple[Syllables, ...]]:
    return dict(_read_words(WORDS_FILE.read_text(encoding="utf-8")))


def _read_words(text: str) -> Iterator[tuple[str, tuple[Syllables, ...]]]:
    for line in text.splitlines():
        word, _, ways = line.partition("#")[0].strip().partition(" ")
        if word:
            yield word, tuple(tuple(way.strip().split("'")) for way in ways.split(",") if way.strip())


@cache
def _teach_words() -> None:
    """Add our words to the library's shared instance, once: one of our own would hold the dictionary (25 MB) twice."""
    for word in _own_words():
        rjieba.add_word(word, _OWN_WORD_FREQUENCY, None)
