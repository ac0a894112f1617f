"""Two clerks press the same button at once; a site is edited just before an import is taken back."""

import asyncio
from dataclasses import replace

import pytest
import yaml
from sqlalchemy import select, text

from api.imports.place import Workplace
from api.imports.work import apply, check, undo
from core import clock
from core.actor import operator
from core.settings import Settings
from geo.import_jobs.errors import ImportState
from geo.import_jobs.files import Received
from geo.import_jobs.jobs import ask_apply, ask_undo, create_job, get_job
from geo.import_jobs.states import ACTS, STATES_ZH
from geo.models import ImportJob
from tests.geo.imports.files import mapping_of, write_csv

CLERK = operator("clerk")
ROWS = [("1", "中川镇老年助餐点", 103.57, 36.51), ("2", "秦川镇老年助餐点", 103.48, 36.62)]
WHY = "传错了文件"


@pytest.fixture
def place(database, database_url, ring):
    return Workplace(database, ring, Settings(database_url=database_url))


async def uploaded(place, tmp_path, rows=ROWS):
    """The id of an upload that was checked."""
    path = write_csv(tmp_path / "a.csv", rows)
    received = Received(path, "a.csv", path.stat().st_size, "")
    mapping = yaml.safe_dump(mapping_of(), allow_unicode=True)
    async with place.database.transaction() as session:
        job = await create_job(
            session, CLERK, place.ring, received=received, options={}, mapping=mapping, now=clock.now()
        )
    await check(place, job.id)
    return job.id


async def state_of(place, job_id):
    async with place.database.transaction() as session:
        return await session.scalar(select(ImportJob.state).where(ImportJob.id == job_id))


async def count(place, table):
    async with place.database.transaction() as session:
        return await session.scalar(text(f"select count(*) from {table}"))


async def both_ask(place, job_id, ask):
    """Two callers who have both seen the state before either changes it; what became of each."""
    seen = asyncio.Barrier(2)

    async def one():
        try:
            async with place.database.transaction() as session:
                await get_job(session, CLERK, job_id=job_id)
                await seen.wait()
                await ask(session)
                await asyncio.sleep(0.2)  # the first holds it uncommitted while the second asks
        except ImportState as error:
            return error.fields["state"]
        return "accepted"

    return sorted(await asyncio.wait_for(asyncio.gather(one(), one()), timeout=30))


def applying(job_id):
    return lambda session: ask_apply(session, CLERK, job_id=job_id, skip_rejected=False, now=clock.now())


def undoing(job_id):
    return lambda session: ask_undo(session, CLERK, job_id=job_id, reason=WHY, now=clock.now())


def without_guard(monkeypatch, act):
    monkeypatch.setitem(ACTS, act, replace(ACTS[act], within=frozenset(STATES_ZH)))


async def test_of_two_clerks_who_apply_at_once_one_does(place, tmp_path):
    job_id = await uploaded(place, tmp_path)
    assert await both_ask(place, job_id, applying(job_id)) == ["accepted", "applying"]


async def test_without_the_states_both_would_apply(place, tmp_path, monkeypatch):
    """Negative control."""
    job_id = await uploaded(place, tmp_path)
    without_guard(monkeypatch, "apply")
    assert await both_ask(place, job_id, applying(job_id)) == ["accepted", "accepted"]


async def test_of_two_clerks_who_undo_at_once_one_does(place, tmp_path):
    job_id = await uploaded(place, tmp_path)
    async with place.database.transaction() as session:
        await applying(job_id)(session)
    await apply(place, job_id)
    assert await both_ask(place, job_id, undoing(job_id)) == ["accepted", "undoing"]


async def test_without_the_states_both_would_undo(place, tmp_path, monkeypatch):
    """Negative control."""
    job_id = await uploaded(place, tmp_path)
    async with place.database.transaction() as session:
        await applying(job_id)(session)
    await apply(place, job_id)
    without_guard(monkeypatch, "undo")
    assert await both_ask(place, job_id, undoing(job_id)) == ["accepted", "accepted"]


async def test_two_workers_that_were_given_the_same_import_do_it_once(place, tmp_path):
    job_id = await uploaded(place, tmp_path)
    async with place.database.transaction() as session:
        await applying(job_id)(session)
    await asyncio.gather(apply(place, job_id), apply(place, job_id))
    assert await state_of(place, job_id) == "applied"
    assert await count(place, "import_run") == 1
    assert await count(place, "site") == 2


async def test_a_site_edited_after_the_undo_was_accepted_keeps_everything_as_it_is(place, tmp_path):
    job_id = await uploaded(place, tmp_path)
    async with place.database.transaction() as session:
        await applying(job_id)(session)
    await apply(place, job_id)
    async with place.database.transaction() as session:
        await undoing(job_id)(session)
    async with place.database.transaction() as session:
        await session.execute(text("update site set version = version + 1 where external_id = '1'"))
    await undo(place, job_id)
    assert await state_of(place, job_id) == "applied"
    assert await count(place, "site") == 2
    async with place.database.transaction() as session:
        job, _ = await get_job(session, CLERK, job_id=job_id)
    assert "什么都没有撤销" in job.message_zh
    assert job.undo_reason is None


async def test_an_import_undone_untouched_leaves_no_site(place, tmp_path):
    """Negative control of the test above: it is the edit that kept everything."""
    job_id = await uploaded(place, tmp_path)
    async with place.database.transaction() as session:
        await applying(job_id)(session)
    await apply(place, job_id)
    async with place.database.transaction() as session:
        await undoing(job_id)(session)
    await undo(place, job_id)
    assert await state_of(place, job_id) == "undone"
    assert await count(place, "site") == 0
