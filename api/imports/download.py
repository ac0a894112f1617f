"""A report as a file for a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from api.imports.wording import line_over_http
from core.database import Database
from core.keyring import KeyRing
from geo.import_jobs.pages import read_lines
from geo.imports.report import REPORT_HEADER, csv_cells

LINES_A_READ = 2_000


async def report_csv(
    database: Database, ring: KeyRing, *, job_id: UUID, outcomes: Sequence[str]
) -> AsyncIterator[str]:
    """CSV in UTF-8 with BOM, in pieces; no transaction stays open while the caller reads."""
    after, buffer = -1, io.StringIO("\ufeff", newline="")
    buffer.seek(1)
    writer = csv.writer(buffer)
    writer.writerow(REPORT_HEADER)
    while True:
        async with database.transaction() as session:
            lines = await read_lines(
                session, ring, job_id=job_id, outcomes=outcomes, after=after, limit=LINES_A_READ
            )
        for after, line in lines:  # noqa: B007  # the last number is where the next piece begins
            writer.writerow(csv_cells(line_over_http(line)))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        if len(lines) < LINES_A_READ:
            return
