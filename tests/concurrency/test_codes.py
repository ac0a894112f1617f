"""Codes tried in parallel: exactly five tries count, a right code signs in once, two requests send one code."""

import asyncio

import pytest
from sqlalchemy import text

from api.identity import codes
from api.identity.accounts import account_by_phone
from api.identity.codes import CODE, COUNT_TRY, PHONE, TRIES, check_code, send_code
from api.identity.errors import CodeTooSoon
from api.identity.models import OneTimeCode
from core import clock
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from tests.api.signing_in import RING, code_of

NUMBER = "13800000001"
E164 = f"+86{NUMBER}"
# Reads, then writes: between the two, others read the same.
UNGUARDED = (
    "select id, tries, digest = any(:digests) from one_time_code"
    " where phone_blind = any(:phones) and voided_at is null",
    "update one_time_code set tries = :tries where id = :id",
)


@pytest.fixture
async def crowd(anyio_backend, database_url):
    """Doors wide enough that all callers are inside at once."""
    async with Database(Settings(database_url=database_url, pool_size=24)) as database:
        yield database


@pytest.fixture
async def code(crowd, database_url):
    async with crowd.transaction() as session:
        await send_code(session, RING, phone=E164, purpose="sign_in", subject_id=None, now=clock.now())
    return code_of(database_url, NUMBER)


async def guess(database, said):
    async with database.transaction() as session:
        return await check_code(
            session, RING, phone=E164, purpose="sign_in", subject_id=None, code=said, now=clock.now()
        )


async def guess_unguarded(database, said):
    """Whether the code was compared: fewer than five tries had been counted when we looked."""
    asked = {
        "phones": RING.blinds(PHONE, E164),
        "digests": RING.blinds(CODE, f"{E164}\0sign_in\0\0{said}"),
    }
    async with database.transaction() as session:
        row_id, tries, _ = (await session.execute(text(UNGUARDED[0]), asked)).one()
        await asyncio.sleep(0.05)
        if tries >= TRIES:
            return False
        await session.execute(text(UNGUARDED[1]), {"id": row_id, "tries": tries + 1})
        return True


async def counted(database):
    async with database.hot() as connection:
        ((tries,),) = await (await connection.execute("select tries from one_time_code")).fetchall()
    return tries


def guesses(code, count):
    """Different wrong ones."""
    return [f"{(int(code) + step) % 1_000_000:06}" for step in range(1, count + 1)]


async def compared(database, code, count, guess_one):
    """How many of ``count`` guesses at once were compared with the code."""
    return sum(await asyncio.gather(*(guess_one(database, one) for one in guesses(code, count))))


async def guess_and_tell(database, said):
    """As ``guess``, but whether it was compared."""
    asked = {
        "phones": RING.blinds(PHONE, E164),
        "digests": RING.blinds(CODE, f"{E164}\0sign_in\0\0{said}"),
        "purpose": "sign_in",
        "subject_id": None,
        "now": clock.now(),
    }
    async with database.transaction() as session:
        return (await session.execute(text(COUNT_TRY), asked)).one_or_none() is not None


async def test_of_forty_tries_at_once_exactly_five_count(crowd, code):
    assert await compared(crowd, code, 40, guess_and_tell) == TRIES
    assert await counted(crowd) == TRIES
    assert await guess(crowd, code) is False


async def test_read_first_and_written_afterwards_more_than_five_are_compared(crowd, code):
    """Negative control."""
    assert await compared(crowd, code, 40, guess_unguarded) > TRIES


async def test_the_right_code_sent_many_times_at_once_signs_in_once(crowd, code):
    answers = await asyncio.gather(*(guess(crowd, code) for _ in range(20)))
    assert sorted(answers) == [False] * 19 + [True]


async def test_two_requests_at_once_send_one_code(crowd, database_url):
    async def ask():
        try:
            async with crowd.transaction() as session:
                await send_code(
                    session, RING, phone=E164, purpose="sign_in", subject_id=None, now=clock.now()
                )
        except CodeTooSoon:
            return False
        return True

    assert sum(await asyncio.gather(*(ask() for _ in range(12)))) == 1


async def test_two_processes_whose_current_keys_differ_send_one_code_too(crowd, database_url):
    """As while an operator puts a new key in front of the ring, one process after the other."""
    turned = KeyRing([*reversed(RING.keys.values())])
    assert turned.current != RING.current

    async def ask(ring):
        try:
            async with crowd.transaction() as session:
                await send_code(
                    session, ring, phone=E164, purpose="sign_in", subject_id=None, now=clock.now()
                )
        except CodeTooSoon:
            return False
        return True

    assert sum(await asyncio.gather(*(ask(ring) for ring in (RING, turned) * 6))) == 1


async def test_without_the_lock_two_requests_at_once_send_several(crowd):
    """Negative control: each looks for the others' code before it is there."""

    async def ask_unlocked():
        now = clock.now()
        async with crowd.transaction() as session:
            try:
                await codes._check_pace(session, phones=RING.blinds(PHONE, E164), purpose="sign_in", now=now)
            except CodeTooSoon:
                return False
            await asyncio.sleep(0.1)
            session.add(
                OneTimeCode(
                    phone_blind=RING.blind(PHONE, E164),
                    purpose="sign_in",
                    digest=b"",
                    created_at=now,
                    expires_at=now,
                )
            )
        return True

    assert sum(await asyncio.gather(*(ask_unlocked() for _ in range(12)))) > 1


async def test_two_first_sign_ins_of_one_phone_make_one_account(crowd):
    async def first():
        async with crowd.transaction() as session:
            return (await account_by_phone(session, RING, phone=E164, now=clock.now())).id

    assert len(set(await asyncio.gather(*(first() for _ in range(12))))) == 1
