"""What a mistyped query was meant to be: zhucandian for zhucandain, and for 助残点."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from rapidfuzz.distance import OSA

from core.ids import new_id
from geo.search.pinyin import SPELLING_LETTERS
from geo.search.words import QueryTerms, Term

MOST_WORDS = 5  # a longer query is not corrected; each run of its words is one look-up
MOST_LETTERS = 32  # of a run of words taken for one word
MOST_MEANINGS = 3  # words equally near that are all looked for

Meant = tuple[int, tuple[str, ...]]  # edits, and the words that many edits away

# ">= and <=" is "=" said so that only the b-tree can answer: within a large import, where statistics are of before, the
# planner took the trigram index for "=", at 0.3 ms a word.
ADD_WORDS = """
insert into search_word (id, word)
select * from unnest(%s::uuid[], %s::text[]) as new (id, word)
where not exists (select 1 from search_word old where old.word >= new.word and old.word <= new.word)
"""

# The dozen most alike by trigrams, however unlike: the usual threshold of `%` loses typos in short words (yiyaun).
ALIKE = """
select piece, alike.word from unnest(%s::text[]) as piece
cross join lateral (select word from search_word order by word <-> piece limit 12) alike
"""


async def add_words(connection: AsyncConnection[Any], words: Iterable[str]) -> None:
    """Make words known that are not yet. Numbers are left out: a mistyped one could mean any other."""
    new = sorted({word for word in words if not word.isdecimal()})
    if new:
        await connection.execute(ADD_WORDS, ([new_id() for _ in new], new))


async def find_corrected(connection: AsyncConnection[Any], latin: str) -> QueryTerms | None:
    """The question that a query was meant to be, None when nothing known is near. ``latin``: ``QueryTerms.latin``.

    Spaces may be part of the mistake: "zhu candain", and the zhucan and dian that 助残点 reads as, are one word.
    """
    typed = latin.split()
    if not typed or len(typed) > MOST_WORDS:
        return None
    runs = ["".join(typed[i:j]) for i in range(len(typed)) for j in range(i + 1, len(typed) + 1)]
    cursor = await connection.execute(ALIKE, (sorted({run for run in runs if len(run) <= MOST_LETTERS}),))
    alike: dict[str, set[str]] = {}
    for run, word in await cursor.fetchall():
        alike.setdefault(run, set()).add(word)
    meant = {run: found for run, words in alike.items() if (found := _meant(run, words))}
    clauses = _cheapest(typed, meant)
    return (
        QueryTerms(tuple(tuple((_term(word),) for word in words) for words in clauses), "")
        if clauses
        else None
    )


def allowed_edits(letters: int) -> int:
    """How many letters of a word may be wrong, missing, added or swapped with the next."""
    return 0 if letters < 4 else 1 if letters < 8 else 2


def _meant(run: str, words: Iterable[str]) -> Meant | None:
    if any(word.startswith(run) for word in words):
        return 0, (run,)
    edits = {word: OSA.distance(run, word) for word in words}
    least = min(edits.values())
    if least > allowed_edits(len(run)):
        return None
    return least, tuple(sorted(word for word, n in edits.items() if n == least)[:MOST_MEANINGS])


def _cheapest(typed: Sequence[str], meant: Mapping[str, Meant]) -> list[tuple[str, ...]] | None:
    """``typed`` cut into runs that all mean something, with the fewest edits, then the fewest runs."""
    best: list[tuple[int, int, list[tuple[str, ...]]] | None] = [(0, 0, [])]
    for end in range(1, len(typed) + 1):
        ways = []
        for start in range(end):
            before, found = best[start], meant.get("".join(typed[start:end]))
            if before and found:
                ways.append((before[0] + found[0], before[1] + 1, [*before[2], found[1]]))
        best.append(min(ways, default=None))
    last = best[-1]
    return last[2] if last else None


def _term(word: str) -> Term:
    return Term(word[:SPELLING_LETTERS], prefix=True)
