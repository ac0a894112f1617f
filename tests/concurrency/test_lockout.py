"""Passwords, codes and roles tried at the same moment: each counts, and each is good once.

Each guard is a condition that PostgreSQL evaluates under the row's lock. The negative controls take it away with a
trigger that forgets what was written, and the same callers then get through.
"""

import asyncio
from collections import Counter

import pytest

from api.identity.models import RecoveryCode, StaffAccount
from api.identity.role_changes import give_role
from api.identity.second_factor import use_recovery_code, use_totp
from api.identity.staff import get_staff
from api.identity.staff_errors import RolesSeparated, TooManyTries, WrongPassword
from api.identity.tries import take_try
from core.actor import SYSTEM
from tests.api.clerks import ELSEWHERE, NOW, WRONG, Clerk

CALLERS = 12


@pytest.fixture
async def clerk(database, ring):
    return await Clerk(database, ring).enrol()


async def forget(database, table, column, event="update"):
    """From now on whatever is written to ``column`` is lost."""
    async with database.hot() as connection:
        await connection.execute(
            f"create function forget() returns trigger language plpgsql as"
            f" $$ begin new.{column} := old.{column}; return new; end $$"
        )
        await connection.execute(
            f"create trigger forget before {event} on {table} for each row execute function forget()"
        )


async def guess_at_once(clerk):
    answers = await asyncio.gather(
        *(clerk.sign_in(password=WRONG, address=ELSEWHERE) for _ in range(CALLERS))
    )
    return Counter(type(one) for one in answers)


async def test_of_twelve_guesses_at_once_exactly_five_are_looked_at(clerk):
    assert await guess_at_once(clerk) == {WrongPassword: 5, TooManyTries: CALLERS - 5}


async def test_without_the_written_wait_all_twelve_are(clerk):
    """Negative control."""
    await forget(clerk.database, "sign_in_try", "blocked_until")
    assert await guess_at_once(clerk) == {WrongPassword: CALLERS}


async def test_a_try_counts_even_when_its_request_fails(clerk):
    async def broken():
        async with clerk.database.transaction():
            await take_try(
                clerk.database, clerk.ring, username="x", address=ELSEWHERE, device_key=None, now=NOW
            )
            raise ValueError

    for _ in range(5):
        with pytest.raises(ValueError):  # several statements raise it
            await broken()
    answer = await take_try(
        clerk.database, clerk.ring, username="x", address=ELSEWHERE, device_key=None, now=NOW
    )
    assert isinstance(answer, TooManyTries)


async def at_once(clerk, use):
    """How many of some callers, each in a transaction of its own that stays open until all have tried, are told yes."""
    waiting = asyncio.Event()

    async def call():
        async with clerk.database.transaction() as session:
            await session.get(StaffAccount, clerk.id)  # each has seen the row as it was
            await waiting.wait()
            return await use(session)

    calls = [asyncio.create_task(call()) for _ in range(6)]
    await asyncio.sleep(0.3)
    waiting.set()
    return sum(await asyncio.gather(*calls))


async def use_code(clerk, session):
    staff = await session.get(StaffAccount, clerk.id)
    return await use_totp(session, clerk.ring, staff=staff, code=clerk.totp(NOW), now=NOW)


async def test_one_code_shown_by_six_at_once_signs_one_in(clerk):
    assert await at_once(clerk, lambda session: use_code(clerk, session)) == 1


async def test_without_the_written_step_all_six_are_signed_in(clerk):
    """Negative control."""
    await forget(clerk.database, "staff_account", "totp_step")
    assert await at_once(clerk, lambda session: use_code(clerk, session)) == 6


async def use_recovery(clerk, session):
    return await use_recovery_code(session, staff_id=clerk.id, code=clerk.codes[0], now=NOW)


async def test_one_recovery_code_shown_by_six_at_once_signs_one_in(clerk):
    assert await at_once(clerk, lambda session: use_recovery(clerk, session)) == 1


async def test_without_the_written_use_all_six_recovery_codes_pass(clerk):
    """Negative control."""
    await forget(clerk.database, RecoveryCode.__tablename__, "used_at")
    assert await at_once(clerk, lambda session: use_recovery(clerk, session)) == 6


async def give_all_three_at_once(clerk):
    async def give(role):
        try:
            async with clerk.database.transaction() as session:
                _, account = await get_staff(session, SYSTEM, staff_id=clerk.id)
                await give_role(
                    session,
                    SYSTEM,
                    account=account,
                    role=role,
                    scope="district",
                    scope_id=None,
                    ends_on=None,
                    reason="test",
                    now=NOW,
                )
        except RolesSeparated:
            return "refused"
        return "given"

    roles = ("system_admin", "security_admin", "auditor")
    return Counter(await asyncio.gather(*(give(role) for role in roles)))


async def test_of_the_three_administrators_roles_given_at_once_one_is_held(clerk):
    assert await give_all_three_at_once(clerk) == {"given": 1, "refused": 2}


async def test_without_the_index_all_three_are_held(clerk):
    """Negative control."""
    async with clerk.database.hot() as connection:
        await connection.execute("drop index role_grant_separated_key")
    assert await give_all_three_at_once(clerk) == {"given": 3}
