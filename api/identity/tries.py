"""How often a password may be tried: a lock-out that stops guessing and locks no colleague out.

Each try is counted before the password is looked at, in a transaction of its own, so that of many at once only as many
as are free get through, and none is forgotten when the request fails. Wrong tries count

- for a device that signed in under this name before (it holds a key that says so): for that device only;
- else for this name from this address, and, unless somebody signed in from there lately, for this name altogether.

So whoever guesses from elsewhere, or from the next desk, uses up their own tries and not those of the device that its
owner signs in with. Names that do not exist are counted alike.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import SignInTry
from api.identity.staff_errors import TooManyTries
from core.database import Database
from core.keyring import KeyRing

# Wrong tries before each further one has to wait: from one place, and for a name from all unknown places together.
FREE = 5
NAME_FREE = 20
# The wait doubles with each wrong try.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN = timedelta(hours=6)
KNOWN = timedelta(days=30)

# By primary key. The condition is evaluated on the row's newest version, under its lock: the sixth of six at once
# finds what the fifth wrote.
TAKE = """
insert into sign_in_try as t (bucket, tries, tried_at) values (%(bucket)s, 1, %(now)s)
on conflict (bucket) do update set
    tries = case when t.tried_at < %(forgotten)s then 1 else t.tries + 1 end,
    tried_at = %(now)s,
    blocked_until = case when t.tried_at >= %(forgotten)s and t.tries + 1 >= %(free)s
        then %(now)s::timestamptz + least(%(first)s::interval * power(2, least(t.tries + 1 - %(free)s, 20)),
                                          %(longest)s::interval) end
where t.blocked_until is null or t.blocked_until <= %(now)s
returning known_until > %(now)s
"""
BLOCKED = "select blocked_until from sign_in_try where bucket = %s"


@dataclass(frozen=True, slots=True)
class Taken:
    """A try that was counted: for one place, and perhaps for the name altogether."""

    place: bytes
    name: bytes | None


def plain_name(username: str) -> str:
    """A username as it is kept, however it was typed."""
    return username.strip().lower()


async def take_try(
    database: Database, ring: KeyRing, *, username: str, address: str, device_key: str | None, now: datetime
) -> Taken | TooManyTries:
    """Count a try before it is made; TooManyTries when it may not be made now."""
    device = _device(ring, username, device_key)
    if device is not None:
        place, known = _bucket(ring, "device", username, device), True
    else:
        place, known = _bucket(ring, "address", username, address), False
    answer = await _take(database, place, FREE, now)
    if isinstance(answer, TooManyTries):
        return answer
    if known or answer:
        return Taken(place, None)
    name = _bucket(ring, "name", username)
    answer = await _take(database, name, NAME_FREE, now)
    return answer if isinstance(answer, TooManyTries) else Taken(place, name)


async def forgive(session: AsyncSession, taken: Taken, *, now: datetime) -> None:
    """It was the right password: what was counted for this place is void, and the place is known from now on."""
    await session.execute(
        update(SignInTry)
        .where(SignInTry.bucket == taken.place)
        .values(tries=0, blocked_until=None, known_until=now + KNOWN)
    )
    if taken.name is not None:
        # Only this try is given back: an attacker's stay counted.
        await session.execute(
            update(SignInTry)
            .where(SignInTry.bucket == taken.name)
            .values(tries=func.greatest(SignInTry.tries - 1, 0))
        )


def new_device_key(ring: KeyRing, *, username: str) -> str:
    """For a device to keep after signing in, and to show with the next password: it then has tries of its own."""
    username, nonce = plain_name(username), secrets.token_urlsafe(16)
    return f"{nonce}.{_seal(ring.blind('device_key', f'{username}:{nonce}'))}"


async def _take(database: Database, bucket: bytes, free: int, now: datetime) -> bool | TooManyTries:
    """Whether the place is known, when the try may be made."""
    said = {
        "bucket": bucket,
        "now": now,
        "free": free,
        "forgotten": now - FORGOTTEN,
        "first": FIRST_WAIT,
        "longest": LONGEST_WAIT,
    }
    async with database.hot() as connection:
        row = await (await connection.execute(TAKE, said)).fetchone()
        if row is not None:
            return bool(row[0])
        row = await (await connection.execute(BLOCKED, (bucket,))).fetchone()
    until: datetime | None = row[0] if row is not None else None
    seconds = max(1, round((until - now).total_seconds())) if until is not None else 1
    minutes = -(-seconds // 60)
    return TooManyTries(
        f"请在 {minutes} 分钟后再试；忘记密码请联系系统管理员。",
        f"Try again in {minutes} min; if you forgot your password, ask your system administrator.",
        retry_after_seconds=seconds,
    )


def _bucket(ring: KeyRing, kind: str, *parts: str) -> bytes:
    return ring.blind("sign_in_try", "\0".join((kind, *parts)))


def _device(ring: KeyRing, username: str, device_key: str | None) -> str | None:
    """Which device this is, if its key is one that we made for this name."""
    nonce, _, seal = (device_key or "").partition(".")
    expected = [_seal(digest) for digest in ring.blinds("device_key", f"{username}:{nonce}")]
    right = [hmac.compare_digest(one.encode(), seal.encode()) for one in expected]
    return nonce if any(right) else None


def _seal(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
