"""How long uploads are kept."""

from datetime import timedelta

import pytest
import yaml
from sqlalchemy import select, text

from api.imports.place import Workplace
from api.imports.work import apply, check
from core import clock
from core.actor import operator
from core.settings import Settings
from geo.import_jobs.errors import ContentRemoved
from geo.import_jobs.files import Received
from geo.import_jobs.jobs import ask_apply, ask_undo, create_job
from geo.import_jobs.keeping import KEPT, purge_uploads
from geo.models import ImportJob
from tests.geo.imports.files import mapping_of, write_csv

CLERK = operator("clerk")
ROWS = [("1", "中川镇老年助餐点", 103.57, 36.51)]


async def test_files_go_thirty_days_after_they_were_applied_or_uploaded(
    database, database_url, ring, tmp_path
):
    place = Workplace(database, ring, Settings(database_url=database_url))
    path = write_csv(tmp_path / "a.csv", ROWS)
    received = Received(path, "a.csv", path.stat().st_size, "")
    mapping = yaml.safe_dump(mapping_of(), allow_unicode=True)
    now = clock.now()
    ids = []
    for _ in range(2):
        async with database.transaction() as session:
            said = {"received": received, "options": {}, "mapping": mapping, "now": now}
            ids.append((await create_job(session, CLERK, ring, **said)).id)
    kept, forgotten = ids
    await check(place, kept)
    async with database.transaction() as session:
        await ask_apply(session, CLERK, job_id=kept, skip_rejected=False, now=now)
    await apply(place, kept)

    async def left():
        async with database.transaction() as session:
            return [
                await session.scalar(text(f"select count(*) from {table}"))
                for table in ("import_job", "import_chunk", "import_page", "imported_site")
            ]

    async def purged(at):
        async with database.transaction() as session:
            return await purge_uploads(session, now=at)

    assert await left() == [2, 2, 1, 1]
    assert await purged(now + KEPT - timedelta(minutes=1)) == 0
    assert await purged(now + KEPT + timedelta(minutes=1)) == 2
    assert await left() == [1, 0, 0, 0]
    async with database.transaction() as session:
        assert await session.scalar(select(ImportJob.state).where(ImportJob.id == forgotten)) is None
    with pytest.raises(ContentRemoved, match="no longer kept"):
        async with database.transaction() as session:
            await ask_undo(session, CLERK, job_id=kept, reason="晚了", now=now)
    assert await purged(now + 2 * KEPT) == 0
