"""A member of staff with an authenticator app, who enrols and signs in through the functions that the routes call."""

from datetime import UTC, datetime, timedelta

import pyotp

from api.identity.enrolments import begin_enrolment, finish_enrolment
from api.identity.passwords import check_password
from api.identity.staff import create_staff
from core.actor import SYSTEM

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PASSWORD = "four unrelated words here"
WRONG = "three unrelated words"
OFFICE, ELSEWHERE = "10.1.2.3", "203.0.113.9"


class Clerk:
    """One of them."""

    def __init__(self, database, ring, username="wenhua-2"):
        self.database, self.ring, self.username = database, ring, username
        self.secret = ""
        self.codes: list[str] = []

    async def enrol(self, now=NOW):
        async with self.database.transaction() as session:
            created = await create_staff(session, SYSTEM, username=self.username, office="文化社区", now=now)
        self.id = created.staff_id
        await self.follow(created.token, now)
        return self

    async def follow(self, token, now=NOW):
        async with self.database.transaction() as session:
            begun = await begin_enrolment(
                self.database, session, self.ring, token=token, password=PASSWORD, now=now
            )
        self.secret = begun.secret
        async with self.database.transaction() as session:
            finished = await finish_enrolment(
                session, self.ring, token=token, code=self.totp(now - timedelta(seconds=30)), now=now
            )
        self.codes, self.device_key = finished.recovery_codes, finished.device_key

    def totp(self, now):
        return pyotp.TOTP(self.secret).at(now)

    async def sign_in(self, *, now=NOW, password=PASSWORD, address=OFFICE, username=None, **rest):
        async with self.database.transaction() as session:
            return await check_password(
                self.database,
                session,
                self.ring,
                username=username or self.username,
                password=password,
                address=address,
                now=now,
                **rest,
            )
