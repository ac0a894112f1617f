"""How search terms lie in PostgreSQL, and what is asked of them there. Pure; the terms come from ``geo/search/words.py``.

GIN knows which site holds a lexeme, not with which weight: ``'新区':A`` would read every site whose address has 新区
to find the few that have it in their name. So the lexeme itself says where it stands: bare in a name, ``^`` in an
alias, ``~`` in an address, each in the best of them only. A question about names then reads names only, and one about
everything asks for all three. ``:meal_point`` is the site's category, so that a rare category of a common word is one
look-up too. Words are letters and digits, so nobody can type a mark.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

from geo.search.pinyin import words_of
from geo.search.words import (
    QueryTerms,
    SearchTerms,
    Term,
    normalise,
    query_terms,
    tsquery_text,
    tsvector_literal,
)

Among = Literal["names", "aliases", "everything"]  # each includes the ones before it

MARK_OF_WEIGHT = {"A": "", "B": "^", "C": "~"}
MARKS: dict[Among, tuple[str, ...]] = {"names": ("",), "aliases": ("", "^"), "everything": ("", "^", "~")}
CATEGORY_MARK = ":"


def stored_text(terms: SearchTerms, category: str) -> str:
    """A site's terms as text for ``::tsvector``."""
    places = {MARK_OF_WEIGHT[place[-1]] + lexeme: place for lexeme, place in terms.places.items()}
    places[CATEGORY_MARK + category] = "1D"
    return tsvector_literal(SearchTerms(places, ""))


def asked_text(terms: QueryTerms, among: Among, categories: Sequence[str] = ()) -> str:
    """A question as text for ``::tsquery``, of sites in any of ``categories`` (codes, all when empty).

    ``terms`` must ask for something.
    """
    clauses = [
        tuple(_marked(either, MARKS[among])) for clause in terms.clauses for either in product(*clause)
    ]
    if categories:
        clauses.append(tuple((Term(CATEGORY_MARK + code),) for code in categories))
    return tsquery_text(QueryTerms(tuple(clauses), ""))


def loosened(q: str) -> QueryTerms | None:
    """The same question by its words, None when that is no different.

    中川镇助餐点 asks for 镇助 too, which no site has that is 助餐点 by name and in 中川镇 by address;
    中川镇 助餐点 does not.
    """
    text = ""
    for word in words_of(normalise(q)):
        if len(word) > 1 and text and not word.isascii() and not text[-1].isascii():
            text += " "
        text += word
    terms = query_terms(text)
    return terms if terms and terms.clauses != query_terms(q).clauses else None


def _marked(either: Sequence[Term], marks: Sequence[str]) -> Iterator[tuple[Term]]:
    """Alternatives of one term each. (a & b) | c comes in here as a | c and b | c."""
    for term in either:
        for mark in marks:
            yield (Term(mark + term.lexeme, term.prefix),)
