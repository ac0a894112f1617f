"""The report of an import in the database: pages of some hundred lines, read one after another."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from uuid import UUID

import orjson
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import driver_connection
from core.ids import new_id
from core.keyring import KeyRing
from geo.import_jobs.sealed import seal, unseal
from geo.imports.report import Finding
from geo.models import ImportPage

LINES_A_PAGE = 200
FIELD = "import_page.lines"

Page = tuple[UUID, int, str, bytes]  # id, position, outcomes, sealed lines


class Pages:
    """A report's sink: takes every line, keeps them compressed."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._lines: list[Finding] = []
        self._full: list[Page] = []

    def put(self, finding: Finding) -> None:
        """Take a line."""
        self._lines.append(finding)
        if len(self._lines) == LINES_A_PAGE:
            self._turn()

    def _turn(self) -> None:
        page_id = new_id()
        outcomes = " ".join(sorted({line.severity for line in self._lines}))
        data = orjson.dumps([asdict(line) for line in self._lines])
        self._full.append((page_id, len(self._full), outcomes, seal(self._ring, FIELD, page_id, data)))
        self._lines = []

    def finished(self) -> Iterator[Page]:
        """All pages, once the last line was put."""
        if self._lines:
            self._turn()
        return iter(self._full)


async def store_pages(session: AsyncSession, *, job_id: UUID, pages: Pages) -> None:
    """Keep ``pages`` as the report of ``job_id`` instead of an earlier one."""
    await session.execute(delete(ImportPage).where(ImportPage.job_id == job_id))
    connection = await driver_connection(session)
    columns = "id, job_id, position, outcomes, lines"
    async with connection.cursor().copy(f"copy import_page ({columns}) from stdin") as copy:
        for page_id, position, outcomes, lines in pages.finished():
            await copy.write_row((page_id, job_id, position, outcomes, lines))


async def read_lines(
    session: AsyncSession,
    ring: KeyRing,
    *,
    job_id: UUID,
    outcomes: Sequence[str] = (),
    after: int = -1,
    limit: int = LINES_A_PAGE,
) -> list[tuple[int, Finding]]:
    """Lines behind number ``after``, up to ``limit``, with their numbers; of some ``outcomes`` only, if given."""
    found: list[tuple[int, Finding]] = []
    position = max(0, after + 1) // LINES_A_PAGE
    while len(found) < limit:
        # By import_page_job_id_position_key.
        page = (
            await session.scalars(
                select(ImportPage)
                .where(ImportPage.job_id == job_id, ImportPage.position >= position)
                .order_by(ImportPage.position)
                .limit(1)
            )
        ).one_or_none()
        if page is None:
            break
        session.expunge(page)
        position = page.position + 1
        if outcomes and not set(outcomes) & set(page.outcomes.split()):
            continue
        first = page.position * LINES_A_PAGE
        for number, line in enumerate(orjson.loads(unseal(ring, FIELD, page.id, page.lines)), start=first):
            if number > after and (not outcomes or line["severity"] in outcomes):
                found.append((number, Finding(**line)))
    return found[:limit]
