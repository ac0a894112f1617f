"""Rows of what belongs to sites: phones, services with prices and papers, exceptions, numbers, search terms."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from core.ids import new_id
from geo.categories import category_words
from geo.search.corrections import add_words
from geo.search.stored import stored_text
from geo.search.words import document_terms
from geo.sites.input import SiteIn

# Those of a changed site are replaced unless all fields they come from are kept; cost options and documents go with
# their service.
REPLACED = {
    "phone": {"phones"},
    "service": {"services"},
    "site_external_id": {"external_ids"},
    "hours_exception": {"exceptions"},
    "site_search": {"category", "name", "aliases", "address"},
}

Rows = list[tuple[Any, ...]]


class Children(NamedTuple):
    """Table, columns and rows in an order that foreign keys allow, and the Latin words sites can be found by."""

    tables: Sequence[tuple[str, Sequence[str], Rows]]
    words: set[str]


def make_children(sites: Iterable[tuple[UUID, SiteIn, Collection[str]]]) -> Children:
    """Of each site what is not in its ``kept``, names of fields whose rows stay as they are.

    Pure and slow (some 100 µs a site, most of it search terms): meant to run beside the server's work.
    """
    search: Rows = []
    phones: Rows = []
    exceptions: Rows = []
    external_ids: Rows = []
    services: Rows = []
    costs: Rows = []
    documents: Rows = []
    words: set[str] = set()
    for site_id, site, kept in sites:
        if _replaced("site_search", kept):
            also = category_words().get(site.category, ())
            terms = document_terms(site.name, (*site.aliases, *also), site.address)
            search.append((site_id, stored_text(terms, site.category)))
            words.update(terms.latin.split())
        if "phones" not in kept:
            phones += [
                (site_id, i, one.number, one.extension, one.label) for i, one in enumerate(site.phones)
            ]
        if "exceptions" not in kept:
            exceptions += [(site_id, one.on_date, one.hours, one.reason) for one in site.exceptions]
        if "external_ids" not in kept:
            external_ids += [(site_id, scheme, value) for scheme, value in site.external_ids.items()]
        for i, service in enumerate(site.services if "services" not in kept else ()):
            service_id = new_id()
            services.append(
                (
                    service_id,
                    site_id,
                    i,
                    service.name,
                    service.name_en,
                    service.description,
                    service.minimum_age,
                    service.maximum_age,
                    service.eligibility,
                )
            )
            costs += [
                (service_id, j, one.label, one.amount_fen, one.unit) for j, one in enumerate(service.costs)
            ]
            documents += [(service_id, j, one.name, one.note) for j, one in enumerate(service.documents)]
    ages = ("minimum_age", "maximum_age", "eligibility")
    return Children(
        (
            ("site_search", ("site_id", "terms"), search),
            ("phone", ("site_id", "position", "number", "extension", "label"), phones),
            ("hours_exception", ("site_id", "on_date", "hours", "reason"), exceptions),
            ("site_external_id", ("site_id", "scheme", "value"), external_ids),
            ("service", ("id", "site_id", "position", "name", "name_en", "description", *ages), services),
            ("cost_option", ("service_id", "position", "label", "amount_fen", "unit"), costs),
            ("required_document", ("service_id", "position", "name", "note"), documents),
        ),
        words,
    )


def _replaced(table: str, kept: Collection[str]) -> bool:
    return not all(field in kept for field in REPLACED[table])


async def write_children(
    connection: AsyncConnection[Any], children: Children, changed: Sequence[tuple[UUID, Collection[str]]]
) -> None:
    """Write ``children``; first delete what they replace of the ``changed`` sites, each with its kept fields."""
    for table in REPLACED if changed else ():
        ids = [site_id for site_id, kept in changed if _replaced(table, kept)]
        if ids:
            await connection.execute(f"delete from {table} where site_id = any(%s)", (ids,))
    for table, columns, rows in children.tables:
        await copy_rows(connection, table, columns, rows)
    await add_words(connection, children.words)


async def copy_rows(
    connection: AsyncConnection[Any], table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """COPY ``rows`` into ``table``."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    async with connection.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
        await copy.write_row(first)
        for row in rows:
            await copy.write_row(row)
