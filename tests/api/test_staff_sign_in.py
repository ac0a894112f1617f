"""Staff enrol with a link, sign in with password and second factor, and are neither guessed nor locked out."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta

import pytest

from api.identity.enrolments import begin_enrolment, finish_enrolment
from api.identity.grants import grants_of
from api.identity.models import StaffAccount
from api.identity.password_hashes import AT_ONCE, WAITING, PasswordHashes, check_strength, password_hashes
from api.identity.passwords import change_password
from api.identity.staff import create_staff, lock_staff, reset_second_factor, unlock_staff
from api.identity.staff_errors import (
    CurrentPasswordWrong,
    EnrolmentGone,
    PasswordsBusy,
    SecondFactorNeeded,
    TooManyTries,
    WeakPassword,
    WrongPassword,
    WrongTotp,
)
from api.identity.tries import new_device_key
from booking.people.models import Account
from core.actor import SYSTEM, Actor
from tests.api.clerks import ELSEWHERE, NOW, OFFICE, PASSWORD, WRONG, Clerk


@pytest.fixture
async def clerk(database, ring):
    return await Clerk(database, ring).enrol()


async def test_password_and_code_sign_in(clerk):
    account = await clerk.sign_in(totp=clerk.totp(NOW))
    assert isinstance(account, Account)
    assert account.id == clerk.id
    async with clerk.database.transaction() as session:
        assert await grants_of(session, account=account, now=NOW) == ()


async def test_a_password_alone_is_not_enough(clerk):
    assert isinstance(await clerk.sign_in(), SecondFactorNeeded)
    assert isinstance(await clerk.sign_in(totp="000000"), WrongPassword)


async def test_a_code_is_good_for_a_minute_and_once(clerk):
    code = clerk.totp(NOW)
    assert isinstance(await clerk.sign_in(totp=code, now=NOW + timedelta(seconds=30)), Account)
    assert isinstance(await clerk.sign_in(totp=code, now=NOW + timedelta(seconds=31)), WrongPassword)
    older = clerk.totp(NOW + timedelta(minutes=5))
    assert isinstance(await clerk.sign_in(totp=older, now=NOW + timedelta(minutes=6)), WrongPassword)


async def test_a_recovery_code_is_good_once_however_it_is_typed(clerk):
    code = clerk.codes[3]
    assert isinstance(await clerk.sign_in(recovery_code=code.upper().replace("-", " ")), Account)
    assert isinstance(await clerk.sign_in(recovery_code=code), WrongPassword)
    assert isinstance(await clerk.sign_in(recovery_code=clerk.codes[4]), Account)
    assert len(set(clerk.codes)) == 10


async def test_an_unknown_name_a_locked_account_and_a_wrong_password_are_told_alike(clerk):
    async with clerk.database.transaction() as session:
        await lock_staff(session, SYSTEM, staff_id=clerk.id, reason="lost phone", now=NOW)
    told = [
        await clerk.sign_in(totp=clerk.totp(NOW)),
        await clerk.sign_in(username="nobody", totp="123456"),
        await clerk.sign_in(password=WRONG, totp="123456"),
    ]
    assert {(type(one), one.detail_en) for one in told} == {(WrongPassword, told[0].detail_en)}
    async with clerk.database.transaction() as session:
        await unlock_staff(session, SYSTEM, staff_id=clerk.id, reason="found", now=NOW)
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), Account)


async def test_an_unknown_name_takes_as_long_as_a_known_one(clerk):
    loop = asyncio.get_running_loop()

    async def seconds(username):
        took = []
        for second in range(4):
            began = loop.time()
            await clerk.sign_in(username=username, password=WRONG, now=NOW + timedelta(hours=7 * second))
            took.append(loop.time() - began)
        return min(took)

    known, unknown = await seconds(clerk.username), await seconds("nobody")
    # Without the hash of nobody an unknown name would be answered ten times as fast.
    assert 0.4 < unknown / known < 2.5


async def test_refusals_are_on_record_by_id_and_never_by_what_was_typed(clerk):
    await clerk.sign_in(password=WRONG)
    await clerk.sign_in(username="a-name-typed")
    await clerk.sign_in(totp=clerk.totp(NOW))
    async with clerk.database.hot() as connection:
        rows = await (
            await connection.execute(
                "select object_id, detail->>'refused', detail->>'second_factor' from audit_entry"
                " where action = 'session.start' and not detail ? 'enrolled' order by id"
            )
        ).fetchall()
    assert rows == [
        (str(clerk.id), "wrong-password", None),
        (None, "wrong-password", None),
        (str(clerk.id), None, "totp"),
    ]


# Lock-out: it stops guessing, and locks nobody out who signs in where they always do.


async def guess(clerk, times, now=NOW, address=ELSEWHERE, **rest):
    return [type(await clerk.sign_in(password=WRONG, now=now, address=address, **rest)) for _ in range(times)]


async def test_after_five_wrong_tries_each_further_one_waits_longer_up_to_a_quarter_of_an_hour(clerk):
    assert await guess(clerk, 7) == [WrongPassword] * 5 + [TooManyTries] * 2
    now, waits = NOW, []
    for _ in range(6):
        refused = await clerk.sign_in(now=now, address=ELSEWHERE, totp=clerk.totp(now))
        assert isinstance(refused, TooManyTries)  # even with the right password: it is not looked at
        waits.append(refused.fields["retry_after_seconds"])
        now += timedelta(seconds=waits[-1])
        assert await guess(clerk, 1, now) == [WrongPassword]
    assert waits == [60, 120, 240, 480, 900, 900]


async def test_a_name_that_does_not_exist_waits_alike(clerk):
    assert await guess(clerk, 6, username="nobody") == [WrongPassword] * 5 + [TooManyTries]


async def test_signing_in_ends_the_count(clerk):
    assert await guess(clerk, 4, address=OFFICE) == [WrongPassword] * 4
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), Account)
    assert await guess(clerk, 5, address=OFFICE) == [WrongPassword] * 5


async def test_guesses_from_everywhere_do_not_lock_out_the_office_that_signed_in_before(clerk):
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), Account)
    for number in range(4):
        await guess(clerk, 5, address=f"203.0.113.{number}")
    later = NOW + timedelta(seconds=59)
    assert await guess(clerk, 1, later, address="198.51.100.1") == [TooManyTries]  # the name waits, elsewhere
    assert isinstance(await clerk.sign_in(totp=clerk.totp(later), now=later), Account)


async def test_a_colleague_at_the_next_desk_does_not_lock_out_the_device_that_signed_in_before(clerk):
    key = new_device_key(clerk.ring, username=clerk.username)
    assert await guess(clerk, 6, address=OFFICE) == [WrongPassword] * 5 + [TooManyTries]
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), TooManyTries)
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW), device_key=key), Account)
    # The device has five tries of its own, and no more.
    assert await guess(clerk, 6, address=OFFICE, device_key=key) == [WrongPassword] * 5 + [TooManyTries]


async def test_whoever_is_kept_out_everywhere_is_let_back_in_by_a_reset(clerk):
    for number in range(4):
        await guess(clerk, 5, address=f"203.0.113.{number}")
    new_phone = "198.51.100.7"
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW), address=new_phone), TooManyTries)
    async with clerk.database.transaction() as session:
        link = await reset_second_factor(session, SYSTEM, staff_id=clerk.id, reason="kept out", now=NOW)
    await clerk.follow(link.token)
    signed_in = await clerk.sign_in(totp=clerk.totp(NOW), address=new_phone, device_key=clerk.device_key)
    assert isinstance(signed_in, Account)


async def test_a_device_key_of_another_name_or_a_forged_one_is_no_help(clerk):
    assert await guess(clerk, 5, address=OFFICE) == [WrongPassword] * 5
    for key in (new_device_key(clerk.ring, username="somebody-else"), "abc.def", "", ".", "键.键"):
        assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW), device_key=key), TooManyTries)


async def test_tries_are_forgotten_after_six_hours_without_one(clerk):
    assert await guess(clerk, 6) == [WrongPassword] * 5 + [TooManyTries]
    assert await guess(clerk, 6, NOW + timedelta(hours=6, seconds=1)) == [WrongPassword] * 5 + [TooManyTries]


async def test_what_is_counted_tells_neither_name_nor_address(clerk):
    await guess(clerk, 1)
    async with clerk.database.hot() as connection:
        rows = await (await connection.execute("select t::text from sign_in_try t")).fetchall()
    assert len(rows) == 2
    assert clerk.username not in str(rows)
    assert ELSEWHERE not in str(rows)


# Enrolment


async def test_a_link_is_good_once_and_for_three_days_and_a_new_one_replaces_it(clerk):
    async with clerk.database.transaction() as session:
        first = await create_staff(session, SYSTEM, username="second-desk", office=None, now=NOW)
    other = Clerk(clerk.database, clerk.ring, "second-desk")
    with pytest.raises(EnrolmentGone):
        await other.follow(first.token, NOW + timedelta(days=3))
    await other.follow(first.token)
    with pytest.raises(EnrolmentGone):
        await other.follow(first.token)
    async with clerk.database.transaction() as session:
        again = await reset_second_factor(session, SYSTEM, staff_id=first.staff_id, reason="lost", now=NOW)
    assert isinstance(await other.sign_in(totp=other.totp(NOW)), WrongPassword)  # nothing of before is good
    await other.follow(again.token)
    assert isinstance(await other.sign_in(totp=other.totp(NOW)), Account)


async def test_a_second_factor_counts_only_once_a_code_of_it_was_shown(clerk):
    async with clerk.database.transaction() as session:
        created = await create_staff(session, SYSTEM, username="second-desk", office=None, now=NOW)
    other = Clerk(clerk.database, clerk.ring, "second-desk")
    async with clerk.database.transaction() as session:
        with pytest.raises(WrongTotp):
            await finish_enrolment(session, clerk.ring, token=created.token, code="123456", now=NOW)
    async with clerk.database.transaction() as session:
        begun = await begin_enrolment(
            clerk.database, session, clerk.ring, token=created.token, password=PASSWORD, now=NOW
        )
    other.secret = begun.secret
    assert isinstance(await other.sign_in(totp=other.totp(NOW)), WrongPassword)
    async with clerk.database.transaction() as session:
        with pytest.raises(WrongTotp):
            await finish_enrolment(session, clerk.ring, token=created.token, code="000000", now=NOW)


async def test_the_secret_is_encrypted_and_codes_and_passwords_are_hashed(clerk):
    async with clerk.database.transaction() as session:
        staff = await session.get(StaffAccount, clerk.id)
        assert staff.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert clerk.secret.encode() not in staff.totp_secret
    async with clerk.database.hot() as connection:
        digests = await (await connection.execute("select digest from recovery_code")).fetchall()
    assert len(digests) == 10
    assert all(len(digest) == 32 for (digest,) in digests)


async def test_a_hash_with_older_parameters_is_renewed_when_its_owner_signs_in(clerk):
    from pwdlib.hashers.argon2 import Argon2Hasher

    weak = Argon2Hasher(1, 8_192, 1).hash(PASSWORD)
    async with clerk.database.hot() as connection:
        await connection.execute("update staff_account set password_hash = %s", (weak,))
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), Account)
    async with clerk.database.transaction() as session:
        staff = await session.get(StaffAccount, clerk.id)
    assert staff.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "wenhua-2 and more",
        "aaaaaaaabbbbbbbb",
        "13812345678901",
        "Password1234!",
        "qwertyuiop123456",
        "2026.11.24.01",
    ],
)
def test_passwords_that_are_guessed_first_are_refused(password):
    with pytest.raises(WeakPassword):
        check_strength(password, username="wenhua-2")


@pytest.mark.parametrize(
    "password", ["four unrelated words here", "榆中百合与永登苦水玫瑰香", "tr0ub4dor&3xtra"]
)
def test_other_passwords_are_taken(password):
    check_strength(password, username="wenhua-2")


async def test_a_flood_of_passwords_waits_in_a_short_line_and_the_rest_is_told_to_come_again():
    hashes = PasswordHashes()

    async def check():
        with hashes.place():
            return await hashes.check("x", None)

    answers = await asyncio.gather(*(check() for _ in range(60)), return_exceptions=True)
    busy = [one for one in answers if isinstance(one, PasswordsBusy)]
    assert len(busy) == 60 - 34
    assert busy[0].fields["retry_after_seconds"] >= 1
    assert await check() == (False, None)  # and it goes on


async def test_who_is_sent_away_by_a_flood_has_tried_nothing(clerk):
    with ExitStack() as line:
        for _ in range(AT_ONCE + WAITING):
            line.enter_context(password_hashes().place())
        for _ in range(6):
            with pytest.raises(PasswordsBusy):
                await clerk.sign_in(totp=clerk.totp(NOW))
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), Account)


# One's own password

NEW = "榆中百合与永登苦水玫瑰香"


async def change(clerk, *, current=PASSWORD, new=NEW, now=NOW, session_id=None):
    actor = Actor(name=f"account:{clerk.id}", channel="web", account_id=clerk.id, session_id=session_id)
    async with clerk.database.transaction() as session:
        return await change_password(
            clerk.database, session, actor, clerk.ring, current=current, new=new, address=OFFICE, now=now
        )


async def test_a_password_is_changed_on_record_and_the_old_one_is_good_no_more(clerk):
    assert await change(clerk) is None
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), WrongPassword)
    assert isinstance(await clerk.sign_in(password=NEW, totp=clerk.totp(NOW)), Account)
    async with clerk.database.hot() as connection:
        query = "select account_id, object_id, detail from audit_entry where action = 'account.password'"
        rows = await (await connection.execute(query)).fetchall()
    assert rows == [(clerk.id, str(clerk.id), {})]


async def test_wrong_current_passwords_count_as_those_of_signing_in_do(clerk):
    told = [type(await change(clerk, current=WRONG)) for _ in range(6)]
    assert told == [CurrentPasswordWrong] * 5 + [TooManyTries]
    assert isinstance(await clerk.sign_in(totp=clerk.totp(NOW)), TooManyTries)
    assert isinstance(await change(clerk), TooManyTries)  # even with the right one
    async with clerk.database.hot() as connection:
        query = "select count(*) from audit_entry where detail->>'refused' = 'current-password-wrong'"
        assert await (await connection.execute(query)).fetchone() == (5,)


@pytest.mark.parametrize("new", ["short", "wenhua-2 and more", PASSWORD], ids=["short", "name", "same"])
async def test_a_weak_new_password_is_refused_and_counts_no_try(clerk, new):
    for _ in range(6):
        with pytest.raises(WeakPassword):
            await change(clerk, new=new)
    assert await change(clerk) is None


async def test_two_changes_at_once_leave_one_password(clerk):
    told = await asyncio.gather(*(change(clerk, new=f"{NEW} {number}") for number in range(2)))
    assert sorted(str(type(one).__name__) for one in told) == ["CurrentPasswordWrong", "NoneType"]
