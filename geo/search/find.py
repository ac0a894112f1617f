"""Finding sites by what they are called and where they say they are.

Best first: the name itself, names that hold the words as typed, other names, aliases, addresses; within each the
nearest first, then by id. A query that finds nothing is asked again by its words alone, then as what it was probably
meant to be (``geo/search/corrections.py``).

Two ways lead to the answer, and the planner's estimate says which to try first. A rare word: every match from the GIN
index, ranked. A word of thousands (助餐; 兰州新区, with which every address begins): from the caller's place outwards, or
by id without one, until enough match. That ranks the neighbourhood, not the whole district. Each way is bounded, and
where its bound is reached, the other follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from geo.errors import WordsTooCommon
from geo.search import sql
from geo.search.corrections import find_corrected
from geo.search.stored import Among, asked_text, loosened
from geo.search.words import QueryTerms, normalise, query_terms

Matched = Literal["name", "alias", "address", "fuzzy"]
MATCHED: tuple[Matched, ...] = ("name", "name", "name", "alias", "address")  # by tier

MOST_MATCHES = 100_000  # ids of a filter; reading them takes 0.2 s


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A site found, by what, and how far away in metres (None without a position)."""

    site_id: UUID
    matched: Matched
    distance_m: float | None


class _Row(NamedTuple):
    site_id: UUID
    tier: int
    distance_m: float | None


class _Found(NamedTuple):
    """The best rows, and whether every match was ranked to find them."""

    rows: list[_Row]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Asking:
    """What stays the same while one query is asked in several ways."""

    connection: AsyncConnection[Any]
    q: str
    categories: Sequence[str]
    lon: float | None
    lat: float | None
    limit: int


async def search(
    connection: AsyncConnection[Any],
    *,
    q: str,
    categories: Sequence[str] = (),
    lon: float | None = None,
    lat: float | None = None,
    limit: int = 20,
) -> list[SearchHit]:
    """Published sites for a query, best first; inactive ones are left out.

    ``categories``: codes with all below them (``CategoryTree.below``), empty for all. ``lon``, ``lat``: WGS84, both or
    neither. A few statements, most often two; each may be its own transaction.
    """
    rows, fuzzy = await _answer(_Asking(connection, q, categories, lon, lat, limit))
    return [SearchHit(row.site_id, "fuzzy" if fuzzy else MATCHED[row.tier], row.distance_m) for row in rows]


async def matching_ids(
    connection: AsyncConnection[Any], *, q: str, categories: Sequence[str] = ()
) -> list[UUID]:
    """Every site a query finds, to narrow another question with: in no order, drafts and inactive ones among them.

    ``categories`` as in ``search``. Raises WordsTooCommon when there are more than MOST_MATCHES.
    """
    terms = query_terms(q)
    if not terms:
        return []
    for said in (terms, loosened(q)):
        if said and (ids := await _all_ids(connection, asked_text(said, "everything", categories))):
            return ids
    meant = await _find_meant(connection, q, terms)
    return await _all_ids(connection, asked_text(meant, "aliases", categories)) if meant else []


async def _all_ids(connection: AsyncConnection[Any], asked: str) -> list[UUID]:
    cursor = await connection.execute(
        "select site_id from site_search where terms @@ %s::tsquery limit %s", (asked, MOST_MATCHES + 1)
    )
    ids = [site_id for (site_id,) in await cursor.fetchall()]
    if len(ids) > MOST_MATCHES:
        raise WordsTooCommon(
            "符合这个词的服务点太多，请再加一个词或选择类别。",
            "Too many sites have these words; add a word or a category.",
        )
    return ids


async def _answer(asking: _Asking) -> tuple[list[_Row], bool]:
    """The rows, and whether they are of a guess."""
    terms = query_terms(asking.q)
    if not terms:
        return [], False
    for said in (terms, loosened(asking.q)):
        rows = await _exact(asking, said) if said else []
        if rows:
            return rows, False
    meant = await _find_meant(asking.connection, asking.q, terms)
    return (await _matching(asking, meant, "aliases")).rows if meant else [], True


async def _find_meant(connection: AsyncConnection[Any], q: str, terms: QueryTerms) -> QueryTerms | None:
    """What was probably meant. One character typed wrong leaves nothing to go by: every 诊 would find every 镇."""
    return await find_corrected(connection, terms.latin) if len(_text(q)) > 1 else None


async def _exact(asking: _Asking, terms: QueryTerms) -> list[_Row]:
    """Names first: most queries end there. Then everything, and aliases apart where addresses may have drowned them."""
    rows = (await _matching(asking, terms, "names")).rows
    if len(rows) < asking.limit:
        everything = await _matching(asking, terms, "everything")
        if not everything.complete and any(MATCHED[row.tier] == "address" for row in everything.rows):
            rows = _joined(asking, rows, (await _matching(asking, terms, "aliases")).rows)
        rows = _joined(asking, rows, everything.rows)
    return rows


async def _matching(asking: _Asking, terms: QueryTerms, among: Among) -> _Found:
    asked = asked_text(terms, among, asking.categories)
    text = _text(asking.q)
    rank = sql.CASELESS if text == text.upper() else sql.CASED
    parameters = {
        "asked": asked,
        "names_only": among == "names",
        "names": asked_text(terms, "names"),
        "aliases": asked_text(terms, "aliases"),
        "text": text,
        "categories": list(asking.categories) or None,
        "lon": asking.lon,
        "lat": asking.lat,
        "limit": asking.limit,
    }

    async def rows(statement: str, **changed: int) -> list[_Row]:
        cursor = await asking.connection.execute(
            statement.format(rank=rank), {**parameters, **changed}, prepare=False
        )
        return [_Row(*row) for row in await cursor.fetchall()]

    # The estimate is good for single common words. Of words together it is often too low, which costs an attempt at
    # the index; of a word and a category it may be far too high (no 党群 is a meal_point), so it is not asked.
    if asking.categories or await _expected(asking.connection, asked) <= sql.CANDIDATES:
        found = await rows(sql.BY_INDEX)
        if not found or found[-1].site_id is not None:
            return _Found(found, complete=True)
    walk = sql.BY_ID if asking.lon is None else sql.BY_DISTANCE
    enough = asking.limit * 3 // 2 + 2
    found = await rows(walk, neighbours=sql.FIRST_NEIGHBOURS, limit=enough)
    # A word may be common somewhere else only: the name of a quarter.
    hoped_for = len(found) * sql.NEIGHBOURS / sql.FIRST_NEIGHBOURS
    if len(found) < enough <= hoped_for:
        found = await rows(walk, neighbours=sql.NEIGHBOURS, limit=enough)
    others = await rows(sql.FIRST_BY_INDEX) if len(found) < enough else []
    return _Found(_joined(asking, found, others), complete=False)


async def _expected(connection: AsyncConnection[Any], asked: str) -> float:
    cursor = await connection.execute(sql.EXPECTED, (asked,), prepare=False)
    row = await cursor.fetchone()
    assert row is not None
    return float(row[0][0]["Plan"]["Plan Rows"])


def _text(q: str) -> str:
    return normalise(q).strip()


def _joined(asking: _Asking, first: list[_Row], second: list[_Row]) -> list[_Row]:
    """Both without doubles, as many as asked for."""
    known = {row.site_id for row in first}
    rows = [*first, *(row for row in second if row.site_id not in known)]
    rows.sort(key=lambda row: (row.tier, row.distance_m or 0.0, row.site_id))
    return rows[: asking.limit]
