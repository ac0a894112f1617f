"""How often one may call: per address and per account, told in headers, refused with when to try again."""

import asyncio
import ipaddress
import re
import secrets

import httpx
import pytest
from fastapi.routing import APIRoute
from redis.asyncio import Redis

from api.app import create_app
from api.limits import GROUPS, Group, Limit, Limits, LimitsUnknown, _in_words, _standing
from core import clock
from core.settings import Settings
from tests.api.people import sign_in
from tests.api.running import ROOT, answers, wait_until
from tests.api.test_problems import assert_problem
from tests.api.trial import trial
from tests.conftest import create_database, drop_database, url_of

CORRECTIONS = GROUPS["corrections"].address[0]
POLICY = re.compile(
    r'^"[a-z_]+-(address|account)-\d+";q=\d+;w=\d+(, "[a-z_]+-(address|account)-\d+";q=\d+;w=\d+)*$'
)
STANDING = re.compile(
    r'^"[a-z_]+-(address|account)-\d+";r=\d+;t=\d+(, "[a-z_]+-(address|account)-\d+";r=\d+;t=\d+)*$'
)


def an_address():
    """One that nobody else calls from; the tests' proxy, 127.0.0.1, is trusted to say so."""
    return {"X-Forwarded-For": str(ipaddress.IPv4Address(0x0A000000 + secrets.randbelow(2**24)))}


def a_network():
    return ipaddress.IPv6Network((0x20010DB8 << 96 | secrets.randbits(32) << 64, 64))


@pytest.fixture(scope="module")
def served(tmp_path_factory, server_url, template, redis_url):
    """A server that limits its callers, and its database's address."""
    name = create_database(server_url, template)
    log = tmp_path_factory.mktemp("limited") / "log"
    with trial(log, database_url=url_of(server_url, name), redis_url=redis_url, limits="on") as one:
        yield one, url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served[0].url, trust_env=False, timeout=15) as one:
        yield one


def test_one_call_too_many_is_told_when_to_try_again(client):
    caller = an_address()
    for left in range(CORRECTIONS.amount - 1, -1, -1):
        answer = client.post("/trial/corrections", headers=caller)
        assert answer.status_code == 200
        assert f'"corrections-address-60";r={left};t=' in answer.headers["ratelimit"]
    refused = client.post("/trial/corrections", headers=caller)
    body = assert_problem(refused, 429, "too-many-requests")
    seconds = int(refused.headers["retry-after"])
    assert 0 < seconds <= 61
    assert body["retry_after_seconds"] == seconds
    assert f"{seconds} 秒" in body["detail"]
    assert '"corrections-address-60";r=0;t=' in refused.headers["ratelimit"]
    in_english = client.post("/trial/corrections", headers=caller | {"Accept-Language": "en"}).json()
    assert re.search(r"Try again in \d+ seconds\.", in_english["detail"])


def test_the_headers_say_the_policy_and_where_the_caller_stands(client):
    answer = client.post("/trial/corrections", headers=an_address())
    assert POLICY.match(answer.headers["ratelimit-policy"])
    assert STANDING.match(answer.headers["ratelimit"])
    assert f'"corrections-address-60";q={CORRECTIONS.amount};w=60' in answer.headers["ratelimit-policy"]
    whole = int(re.search(r'"corrections-address-60";r=\d+;t=(\d+)', answer.headers["ratelimit"])[1])
    assert 110 <= whole <= 121


def test_callers_of_other_addresses_are_not_held_up(client):
    caller = an_address()
    statuses = [
        client.post("/trial/corrections", headers=caller).status_code for _ in range(CORRECTIONS.amount + 3)
    ]
    assert statuses == [200] * CORRECTIONS.amount + [429] * 3
    assert client.post("/trial/corrections", headers=an_address()).status_code == 200
    # Nor other groups of the same caller.
    assert client.post("/trial/writes", headers=caller).status_code == 200


def test_addresses_of_one_ipv6_network_count_as_one_caller(client):
    network = a_network()
    statuses = [
        client.post("/trial/corrections", headers={"X-Forwarded-For": str(network[number + 1])}).status_code
        for number in range(CORRECTIONS.amount + 1)
    ]
    assert statuses == [200] * CORRECTIONS.amount + [429]
    assert (
        client.post("/trial/corrections", headers={"X-Forwarded-For": str(a_network()[1])}).status_code == 200
    )


def test_an_account_is_limited_wherever_it_calls_from(client, served):
    account = sign_in(served[1], kind="resident")
    amount = GROUPS["corrections"].account[0].amount
    statuses = [
        client.post("/trial/corrections", headers=account | an_address()).status_code
        for _ in range(amount + 1)
    ]
    assert statuses == [200] * amount + [429]
    other = sign_in(served[1], kind="resident")
    answer = client.post("/trial/corrections", headers=other | an_address())
    assert answer.status_code == 200
    assert f'"corrections-account-3600";r={amount - 1}' in answer.headers["ratelimit"]


def test_many_calls_at_once_pass_exactly_as_often_as_the_limit_says(served):
    caller = an_address()

    async def send():
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(
            base_url=served[0].url, trust_env=False, timeout=30, limits=limits
        ) as client:
            answers = await asyncio.gather(
                *(client.post("/trial/corrections", headers=caller) for _ in range(40))
            )
        return sorted(answer.status_code for answer in answers)

    assert asyncio.run(send()) == [200] * CORRECTIONS.amount + [429] * (40 - CORRECTIONS.amount)


def test_what_is_not_limited_says_nothing_of_limits(client):
    answer = client.post("/trial/free", headers=an_address())
    assert "ratelimit" not in answer.headers
    assert "ratelimit" not in client.get("/v1/categories", headers=an_address()).headers


def test_limits_can_be_turned_off(tmp_path, database_url, redis_url):
    with trial(tmp_path / "log", database_url=database_url, redis_url=redis_url, limits="off") as one:
        caller = an_address()
        answers = [
            httpx.post(f"{one.url}/trial/corrections", headers=caller, trust_env=False)
            for _ in range(CORRECTIONS.amount + 5)
        ]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


def test_without_redis_calls_pass_uncounted_and_codes_do_not(tmp_path, own_city_url, redis_url):
    """Public reads and reports stay up; what would be unsafe without a limit says to wait."""
    log = tmp_path / "log"
    nowhere = f"unix://{tmp_path}/nothing.sock"
    with trial_without_redis(log, own_city_url, nowhere) as one:
        with httpx.Client(base_url=one.url, trust_env=False, timeout=15) as client:
            caller = an_address()
            for _ in range(CORRECTIONS.amount + 5):
                answer = client.post("/trial/corrections", headers=caller)
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers
            refused = client.post("/trial/codes", headers=caller)
            assert_problem(refused, 503, "limits-unknown")
            assert refused.headers["retry-after"] == "2"
            wait_until(lambda: answers(one, "/v1/categories"), "public reads stay up")
            metrics = client.get("/metrics").text
        uncounted = re.search(r'xinban_uncounted_total\{group="corrections"\} ([\d.]+)', metrics)
        assert float(uncounted[1]) == CORRECTIONS.amount + 5
        said = [line for line in one.log() if line["message"] == "limits cannot be counted"]
        assert len(said) == 1  # one line a minute, not one a call


def trial_without_redis(log, database_url, redis_url):
    return trial(log, database_url=database_url, redis_url=redis_url, limits="on", ready=False)


@pytest.fixture
async def counted(anyio_backend, redis_url, ring):
    """Limits with groups of the test's own, on real Redis; and a caller nobody else is."""
    groups = {
        "quick": Group("quick", address=(Limit(4, 2),)),
        "both": Group("both", address=(Limit(3, 60), Limit(30, 86_400))),
    }
    async with Redis.from_url(redis_url) as redis:
        yield Limits(redis, ring, groups=groups), secrets.token_hex(8)


async def test_after_the_time_it_says_a_call_passes_and_not_before(counted):
    limits, who = counted

    async def call():
        (count,) = await limits.count("quick", address=who, account=None, now=clock.now())
        return count

    passed = [(await call()).passed for _ in range(5)]
    assert passed == [True] * 4 + [False]
    refused = await call()
    assert refused.next_seconds <= 3
    await asyncio.sleep(refused.next_seconds)
    assert (await call()).passed
    # Not the whole window at once: what was used before still weighs.
    assert not all([(await call()).passed for _ in range(4)])


async def test_a_caller_who_is_refused_does_not_have_to_wait_longer_for_asking_again(counted):
    limits, who = counted
    for _ in range(4):
        await limits.count("quick", address=who, account=None, now=clock.now())
    for _ in range(20):
        (count,) = await limits.count("quick", address=who, account=None, now=clock.now())
        assert not count.passed
    await asyncio.sleep(count.next_seconds)
    (count,) = await limits.count("quick", address=who, account=None, now=clock.now())
    assert count.passed


async def test_hammering_at_the_limit_of_a_minute_does_not_use_up_that_of_the_day(counted):
    limits, who = counted
    for _ in range(40):
        minute, day = await limits.count("both", address=who, account=None, now=clock.now())
    assert (minute.passed, minute.left) == (False, 0)
    assert (day.passed, day.left) == (True, 30 - 3)


async def test_what_redis_sees_of_a_caller_is_a_digest(counted, redis_url):
    limits, _ = counted
    address = an_address()["X-Forwarded-For"]
    await limits.count("quick", address=address, account=None, now=clock.now())
    async with Redis.from_url(redis_url) as redis:
        keys = [key.decode() async for key in redis.scan_iter("xinban:limit*", count=1000)]
        assert keys
        assert [key for key in keys if address in key] == []
        assert [key for key in keys if await redis.ttl(key) == -1] == []


async def test_a_redis_that_does_not_answer_holds_nobody_up_for_long(ring, tmp_path):
    """A server that accepts and stays silent."""
    path = str(tmp_path / "silent.sock")

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(silent, path), Redis.from_url(f"unix://{path}") as redis:
        limits = Limits(redis, ring)
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            assert await limits.count("corrections", address="a", account=None, now=clock.now()) == []
        with pytest.raises(LimitsUnknown):
            await limits.count("codes", address="a", account=None, now=clock.now())
        assert asyncio.get_running_loop().time() - began < 1.5


@pytest.mark.parametrize(
    ("earlier", "earlier_seconds", "present", "present_seconds", "expected"),
    [
        (0, 0.0, 0, 0.0, (10, 1, 121)),  # nothing yet: the first window begins with this call
        (0, 0.0, 10, 90.0, (0, 31, 91)),  # full in the first window: free as soon as it is the earlier one
        (10, 59.0, 1, 119.0, (0, 6, 120)),  # weighs 9: free when it weighs 8, after 54 of 60 s are left
        (10, 30.0, 4, 90.0, (1, 1, 91)),
    ],
)
def test_the_wait_follows_from_both_windows(earlier, earlier_seconds, present, present_seconds, expected):
    assert _standing(Limit(10, 60), earlier, earlier_seconds, present, present_seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (1, " 1 秒", "a second"),
        (61, " 61 秒", "61 seconds"),
        (121, "约 3 分钟", "about 3 minutes"),
        (7_201, "约 3 小时", "about 3 hours"),
    ],
)
def test_a_wait_is_said_as_people_say_it(seconds, zh, en):
    assert _in_words(seconds) == (zh, en)


def test_the_documentation_has_every_group_with_its_numbers():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/limits.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: row(group) for name, group in GROUPS.items()}


def row(group):
    """A group as docs/limits.md shows it."""
    units = {60: "minute", 3_600: "hour", 86_400: "day"}

    def said(limits):
        return (
            ", ".join(f"{one.amount:,} a {units[one.seconds]}".replace("a hour", "an hour") for one in limits)
            or "–"
        )

    return f"{group.says} | {said(group.address)} | {said(group.account)} | {'refused' if group.closed else 'pass'}"


def limit_of(dependant):
    """The group that a route's dependencies name."""
    for one in dependant.dependencies:
        group = getattr(one.call, "limit", None) or limit_of(one)
        if group:
            return group
    return None


def test_every_call_that_changes_something_is_limited():
    """One decides by what it is sent, another takes no dependencies: they count in the route."""
    by_hand = {("POST", "/v1/auth/tokens"), ("POST", "/v1/reservations")}
    unlimited = {
        (method, route.path)
        for route in create_app(Settings()).routes
        if isinstance(route, APIRoute) and limit_of(route.dependant) not in GROUPS
        for method in route.methods - {"GET"}
    }
    assert unlimited == by_hand


def test_every_limited_call_documents_that_it_may_be_too_much():
    assert [
        route.path
        for route in create_app(Settings()).routes
        if isinstance(route, APIRoute) and limit_of(route.dependant) and 429 not in route.responses
    ] == []
