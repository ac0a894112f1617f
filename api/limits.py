"""How often one may call: limits per network address and per account, for groups of routes, counted in Redis.

A route says ``dependencies=[limited("corrections")]``; one whose body decides calls ``await limit(request, "sign_in")``.
Answers carry RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11), a refusal also Retry-After. What
the numbers are for is in docs/limits.md; a test keeps the two equal.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import floor
from typing import Annotated, Any

from fastapi import Depends, Request
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.access import caller
from api.addresses import network_of
from api.runtime import runtime_of
from core import clock
from core.actor import Actor
from core.errors import TooMany, Unavailable
from core.keyring import KeyRing

log = logging.getLogger(__name__)

REFUSED = Counter("xinban_limited_total", "Calls refused because they came too often", ["group"])
UNCOUNTED = Counter("xinban_uncounted_total", "Calls that Redis could not count", ["group"])
# Redis answers in well under a millisecond; a stalled one must not hold a caller up for long.
REDIS_SECONDS = 0.5
# How long Redis is left alone after it failed, so that not every caller waits for it.
BLIND = timedelta(seconds=1)
SAID_EVERY = timedelta(minutes=1)
HEADERS = "xinban.headers"
"""Key of the ASGI scope: headers for api/middleware.py to send with the answer, whichever it will be."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``amount`` calls in any ``seconds``."""

    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Group:
    """Routes that are limited together. ``closed``: refused too while Redis is away, since unlimited would be unsafe."""

    says: str
    address: tuple[Limit, ...] = ()
    account: tuple[Limit, ...] = ()
    closed: bool = False


# Thousands of phones share one IPv4 address of a mobile network, and a service hall has one: limits per address are wide,
# against floods and a bill of text messages. What protects one phone or one staff account (codes, passwords) is counted
# in PostgreSQL and holds without Redis.
GROUPS: Mapping[str, Group] = {
    "codes": Group("one-time codes sent", address=(Limit(60, MINUTE), Limit(2_000, DAY)), closed=True),
    "sign_in": Group(
        "codes and passwords tried", address=(Limit(120, MINUTE), Limit(2_000, HOUR)), closed=True
    ),
    "refresh": Group("tokens refreshed, sessions ended", address=(Limit(600, MINUTE),)),
    "verify": Group(
        "persons registered, verified, delegated",
        address=(Limit(60, MINUTE),),
        account=(Limit(10, MINUTE), Limit(60, DAY)),
        closed=True,
    ),
    "corrections": Group(
        "mistakes reported", address=(Limit(20, MINUTE), Limit(300, DAY)), account=(Limit(30, HOUR),)
    ),
    "complaints": Group(
        "complaints and what follows", address=(Limit(60, MINUTE),), account=(Limit(20, HOUR),)
    ),
    "ratings": Group("ratings", address=(Limit(120, MINUTE),), account=(Limit(60, HOUR),)),
    "bookings": Group("places booked, moved and given back", account=(Limit(60, MINUTE), Limit(600, DAY))),
    "exports": Group("one's data exported", account=(Limit(5, HOUR),)),
    "uploads": Group("files imported", account=(Limit(30, HOUR),)),
    "reveals": Group("personal data shown in full to staff", account=(Limit(60, HOUR), Limit(300, DAY))),
    "writes": Group("any other change", address=(Limit(1_200, MINUTE),), account=(Limit(240, MINUTE),)),
}


class TooManyRequests(TooMany):
    """Too many requests; try again later."""

    code = "too-many-requests"
    title_zh = "操作太频繁，请稍后再试"


class LimitsUnknown(Unavailable):
    """This is not possible for the moment; please try again."""

    code = "limits-unknown"
    title_zh = "服务暂时不可用，请稍后再试"


LIMIT_ERRORS = (TooManyRequests, LimitsUnknown)
"""For ``responses(*LIMIT_ERRORS, …)`` of a limited route."""


@dataclass(frozen=True, slots=True)
class Count:
    """Where a caller stands with one limit. Seconds: until one more call is possible, until all of them are."""

    policy: str
    passed: bool
    limit: Limit
    left: int
    next_seconds: int
    whole_seconds: int


class Limits:
    """Counts calls of ``groups`` in Redis: a sliding window, estimated from the counts of this window and the last."""

    def __init__(self, redis: Redis, ring: KeyRing, *, groups: Mapping[str, Group] = GROUPS) -> None:
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="xinban:limit",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # passed on to redis-py as it is
        )
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._ring = ring
        self._groups = groups
        self._blind_until: datetime | None = None
        self._said_at: datetime | None = None

    async def count(self, group: str, *, address: str, account: str | None, now: datetime) -> list[Count]:
        """Count a call; it may pass if all of the group's limits say so, and is counted by none when one refuses.

        They are looked at before they count: hammering at the limit of a minute must not use up that of the day. Of
        callers who come at once each still lets its number through. Nothing when Redis is away; then raises
        LimitsUnknown for a group that is ``closed``.
        """
        wanted = self._wanted(group, address=address, account=account)
        if self._blind_until is None or now >= self._blind_until:
            try:
                async with asyncio.timeout(REDIS_SECONDS):
                    counts = await asyncio.gather(*(self._look(*one) for one in wanted))
                    if not all(one.passed for one in counts):
                        return counts
                    hits = await asyncio.gather(*(self._limiter.hit(item, who) for _, _, item, who in wanted))
                    return [
                        replace(one, passed=passed, left=one.left - 1 if passed else 0)
                        for one, passed in zip(counts, hits, strict=True)
                    ]
            except (RedisError, OSError, TimeoutError) as error:
                self._blind_until = now + BLIND
                self._say(error, now)
        UNCOUNTED.labels(group).inc()
        if self._groups[group].closed:
            raise LimitsUnknown("请几秒后再试。", "Try again in a few seconds.", retry_after_seconds=2)
        return []

    def _wanted(
        self, group: str, *, address: str, account: str | None
    ) -> list[tuple[str, Limit, RateLimitItemPerSecond, str]]:
        """The policy, the limit, how the library says it, and whose counter."""
        said, found = self._groups[group], []
        for kind, limits, who in (("address", said.address, address), ("account", said.account, account)):
            for limit in limits if who is not None else ():
                # Addresses are personal data too: what Redis sees is a keyed digest.
                counter = self._ring.blind(f"limit.{group}.{kind}", str(who)).hex()
                item = RateLimitItemPerSecond(limit.amount, limit.seconds)
                found.append((f"{group}-{kind}-{limit.seconds}", limit, item, counter))
        return found

    async def _look(self, policy: str, limit: Limit, item: RateLimitItemPerSecond, who: str) -> Count:
        earlier, earlier_seconds, present, present_seconds = await self._storage.get_sliding_window(
            item.key_for(who), limit.seconds
        )
        left, next_seconds, whole_seconds = _standing(
            limit, earlier, earlier_seconds, present, present_seconds
        )
        return Count(policy, left > 0, limit, left, next_seconds, whole_seconds)

    def _say(self, error: Exception, now: datetime) -> None:
        if self._said_at is None or now - self._said_at >= SAID_EVERY:
            self._said_at = now
            log.warning("limits cannot be counted", extra={"error": type(error).__name__})


def _standing(
    limit: Limit, earlier: int, earlier_seconds: float, present: int, present_seconds: float
) -> tuple[int, int, int]:
    """What is left, and the seconds until one more call and until all are possible, from the counts of the window before
    this one and of this one, and the seconds until each is forgotten.

    This one lives for two windows, since it is the earlier one from its second on; the earlier one weighs as much as
    the part of a window that it still has to live.
    """
    used = floor(earlier * earlier_seconds / limit.seconds) + present
    wait = 0.0
    if used >= limit.amount:
        if present < limit.amount:
            wait = earlier_seconds - (limit.amount - present) * limit.seconds / earlier
        else:
            wait = present_seconds - limit.amount * limit.seconds / present
    whole = present_seconds or 2 * limit.seconds  # with the call that is asked about
    return max(0, limit.amount - used), floor(wait) + 1, floor(whole) + 1


def _in_words(seconds: int) -> tuple[str, str]:
    """A wait as people say it, never shorter than it is."""
    for unit, zh, en in ((HOUR, "小时", "hours"), (MINUTE, "分钟", "minutes")):
        if seconds > 2 * unit:
            return f"约 {-(-seconds // unit)} {zh}", f"about {-(-seconds // unit)} {en}"
    return f" {seconds} 秒", f"{seconds} seconds" if seconds > 1 else "a second"


def _headers(counts: list[Count]) -> list[tuple[bytes, bytes]]:
    """RateLimit-Policy and RateLimit: lists of structured fields (RFC 9651), ``t`` until all of ``q`` is there again."""
    if not counts:
        return []
    policies = ", ".join(f'"{one.policy}";q={one.limit.amount};w={one.limit.seconds}' for one in counts)
    standing = ", ".join(f'"{one.policy}";r={one.left};t={one.whole_seconds}' for one in counts)
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", standing.encode())]


async def limit(request: Request, group: str, actor: Actor) -> None:
    """Count this call of ``actor`` in ``group``. Raises TooManyRequests, LimitsUnknown."""
    runtime = runtime_of(request)
    if runtime.settings.limits == "off":
        return
    state = request.app.state
    limits: Limits | None = getattr(state, "limits", None)
    if limits is None:
        limits = state.limits = Limits(runtime.redis, runtime.ring)
    account = str(actor.account_id) if actor.account_id is not None else None
    counts = await limits.count(group, address=network_of(request), account=account, now=clock.now())
    request.scope[HEADERS] = _headers(counts)
    refused = [count.next_seconds for count in counts if not count.passed]
    if refused:
        REFUSED.labels(group).inc()
        zh, en = _in_words(max(refused))
        raise TooManyRequests(f"请{zh}后再试。", f"Try again in {en}.", retry_after_seconds=max(refused))


def limited(group: str) -> Any:
    """For ``dependencies=[limited("…")]`` of a route: counts each call for whoever calls. ``GROUPS`` names them."""
    assert group in GROUPS, group

    async def check(request: Request, actor: Annotated[Actor, Depends(caller)]) -> None:
        await limit(request, group, actor)

    check.limit = group  # type: ignore[attr-defined]  # read by limit_of
    return Depends(check)
