"""Places sold: reservations over HTTP on many slots and on one, refusals when sold out, a rush for few places, slot
generation.

One API process on one core, wrk on the other, PostgreSQL wherever there is room. Every request is a new booking by one of
many people, with a token and an Idempotency-Key of its own; all kinds are loaded in turn, several rounds, median round.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg

from api.identity.tokens import AccessTokens
from api.tasks.booking import generate_all
from bench.report import Figure
from bench.servers import Load, free_port, migrated_database, server, wrk
from core import clock
from core.actor import SYSTEM, Grant
from core.database import Database
from core.ids import new_id
from core.keyring import Key, KeyRing
from core.settings import Settings

SERVER_CORE, LOAD_CORE = 0, 1
SLOTS, HOT_SLOTS, FULL_SLOTS, PEOPLE = 1_000, 40, 50, 20_000
CONNECTIONS, MANY_CONNECTIONS = 32, 200
RUSHES, FEW_PLACES = 5, 50
OFFERING = """
insert into source (code, name, licence) values ('bench', 'bench', 'CC0-1.0');
insert into site (id, category_code, name, geom, source_code, external_id, published_at, created_at, updated_at)
values (gen_random_uuid(), 'meal_point', '压测助餐点', st_setsrid(st_makepoint(103.6, 36.5), 4326), 'bench', '1',
    now(), now(), now());
insert into offering (id, site_id, kind, shape, status, title, assurance, created_at, updated_at)
select gen_random_uuid(), id, 'meal', 'counted', 'active', '午餐', 'phone', now(), now() from site;
"""
# An hour each, one after the other, so that nobody is in two places at once.
MAKE_SLOTS = """
with made as (
    insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)
    select gen_random_uuid(), offering.id, (now() + n * interval '1 hour')::date, now() + n * interval '1 hour',
        now() + (n + 1) * interval '1 hour', now() - interval '1 day', now() + n * interval '1 hour'
    from offering, generate_series(%s::int, %s::int) n returning id
) insert into slot_bucket (slot_id, tier, capacity) select id, 'general', %s from made returning slot_id
"""
MAKE_PEOPLE = """
with made as (
    insert into account (id, kind, assurance, created_at)
    select gen_random_uuid(), 'resident', 'phone', now() from generate_series(1, %s) returning id
) insert into person (id, account_id, name, name_blind, created_at)
select gen_random_uuid(), id, 'x', 'x', now() from made returning id, account_id
"""
# Every day, 8:00 to 14:00 in steps of an hour; all kinds of days, so that no calendar is needed.
MAKE_TEMPLATES = """
with made as (
    insert into offering (id, site_id, kind, shape, status, title, created_at, updated_at)
    select gen_random_uuid(), site.id, 'meal', 'counted', 'active', '午餐', now(), now()
    from site, generate_series(1, %s) returning id
) insert into offering_template (id, offering_id, weekdays, day_kinds, starts_at, ends_at, slot_minutes, places,
    valid_from, created_at)
select gen_random_uuid(), id, '{1,2,3,4,5,6,7}', '{workday,rest_day,holiday,makeup_workday}', '08:00', '14:00', 60,
    '{"general": 40}', current_date, now() from made
"""
# Line by line through the file: person, slot, token. Each person comes back with another slot.
LUA = """
local people, slots, n, run = {}, {}, 0, os.time() .. "-" .. math.random(1e9)
for line in io.lines("{people}") do people[#people + 1] = {line:match("(%S+) (%S+)")} end
for line in io.lines("{slots}") do slots[#slots + 1] = line end
local from = {from}
function request()
  local person = people[n % #people + 1]
  local slot = slots[(from + n + math.floor(n / #people)) % #slots + 1]
  n = n + 1
  return wrk.format("POST", "{path}", {
    ["Authorization"] = "Bearer " .. person[2], ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = "bench-" .. run .. "-" .. n},
    '{"slot_id":"' .. slot .. '","person_id":"' .. person[1] .. '"}')
end
"""


def run(*, quick: bool) -> list[Figure]:
    """All figures of booking."""
    with migrated_database() as url:
        figures = _http(url, quick=quick)
    with migrated_database() as url:
        return [*figures, asyncio.run(_generation(url, quick=quick))]


def _world(url: str) -> tuple[list[list[UUID]], list[tuple[UUID, UUID]]]:
    """Slots with room for everyone, some that are booked alone, some sold out, some with few places; people and accounts."""
    slots, first = [], 1
    with psycopg.connect(url) as connection:
        connection.execute(OFFERING)
        for count, places in (
            (SLOTS, 1_000_000),
            (HOT_SLOTS, 1_000_000),
            (FULL_SLOTS, 0),
            (RUSHES, FEW_PLACES),
        ):
            rows = connection.execute(MAKE_SLOTS, (first, first + count - 1, places)).fetchall()
            slots.append([row[0] for row in rows])
            first += count
        people = connection.execute(MAKE_PEOPLE, (PEOPLE,)).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return slots, people


def _http(url: str, *, quick: bool) -> list[Figure]:
    seconds, rounds = (2, 3) if quick else (5, 5)
    (slots, hot, full, few), people = _world(url)
    key = Key.create("bench", "aes")
    env = {
        "XINBAN_DATABASE_URL": url,
        "XINBAN_KEYS": key.line(),
        "XINBAN_LIMITS": "off",
        "XINBAN_ENV": "production",
    }
    ours, bare, path = free_port(), free_port(), "/v1/reservations"
    seen: list[dict[str, Load]] = []
    with (
        tempfile.TemporaryDirectory() as name,
        server(_command("make_app", ours), port=ours, ready="/readyz", env=env, core=SERVER_CORE),
        server(_command("make_bare_app", bare), port=bare, ready="/readyz", env=env, core=SERVER_CORE),
    ):
        folder, turn = Path(name), 0
        _write(folder / "people", people, KeyRing([key]))
        people_lines = [
            (line.split()[0], line.split()[1]) for line in (folder / "people").read_text().splitlines()
        ]

        def load(port: int, path: str, to: list[UUID], *, many: bool = False, refused: bool = False) -> Load:
            nonlocal turn
            turn += 1
            (folder / "slots").write_text("\n".join(map(str, to)))
            text = LUA.replace("{people}", str(folder / "people")).replace("{from}", str(turn * 37))
            script = folder / "load.lua"
            script.write_text(text.replace("{slots}", str(folder / "slots")).replace("{path}", path))
            return wrk(
                f"http://127.0.0.1:{port}{path}",
                str(script),
                seconds=seconds,
                connections=MANY_CONNECTIONS if many else CONNECTIONS,
                core=LOAD_CORE,
                refused=refused,
            )

        rushes = []
        for at, slot in enumerate(few):
            some = people_lines[at * MANY_CONNECTIONS : (at + 1) * MANY_CONNECTIONS]
            rushes.append(asyncio.run(_rush(ours, slot, some)))
        for _ in range(rounds + 1):
            seen += [
                {
                    "empty": load(ours, "/bench/empty", slots),
                    "spread": load(ours, path, slots),
                    "bare": load(bare, path, slots),
                    "hot": load(ours, path, [hot.pop()]),
                    "hotter": load(ours, path, [hot.pop()], many=True),
                    "refused": load(ours, path, full, refused=True),
                }
            ]
    seen = seen[1:]  # the first warms up

    def median(of: Callable[[dict[str, Load]], float]) -> float:
        return statistics.median(of(one) for one in seen)

    conditions = (
        f"1 process on 1 core, {CONNECTIONS} connections, {rounds} x {seconds} s, median round, limits off"
    )
    return [
        Figure(
            "reserve / empty POST",
            median(lambda one: one["spread"].per_second / one["empty"].per_second),
            "x",
            ">= 0.15",
            f"{SLOTS:,} slots, {PEOPLE:,} people; {conditions}",
            decides=True,
        ),
        Figure(
            "reserve / bare handler with the same statement",
            median(lambda one: one["spread"].per_second / one["bare"].per_second),
            "x",
            ">= 0.6",
            conditions,
            decides=True,
        ),
        Figure(
            "reserve on one slot / on many",
            median(lambda one: one["hot"].per_second / one["spread"].per_second),
            "x",
            ">= 0.6",
            conditions,
            decides=True,
        ),
        Figure(
            f"reserve on one slot, p99 at {MANY_CONNECTIONS} connections",
            median(lambda one: one["hotter"].p99_ms),
            "ms",
            "",
            conditions,
        ),
        Figure(
            f"{MANY_CONNECTIONS} callers at once for {FEW_PLACES} places: the last is answered after",
            statistics.median(rushes) * 1000,
            "ms",
            "<= 1000",
            f"{RUSHES} times, median; exactly {FEW_PLACES} got one each time",
        ),
        Figure("reserve", median(lambda one: one["spread"].per_second), "/s", "", conditions),
        Figure("reserve, p99", median(lambda one: one["spread"].p99_ms), "ms", "", conditions),
        Figure(
            "refuse when sold out / empty POST",
            median(lambda one: one["refused"].per_second / one["empty"].per_second),
            "x",
            ">= 0.4",
            conditions,
            decides=True,
        ),
    ]


async def _rush(port: int, slot: UUID, people: list[tuple[str, str]]) -> float:
    """All of ``people`` ask for one slot at the same moment; seconds until the last is answered.

    Raises RuntimeError unless its places go to exactly so many.
    """
    gate = asyncio.Event()

    async def one(number: int, person_id: str, token: str) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = f'{{"slot_id":"{slot}","person_id":"{person_id}"}}'
        writer.write(
            (
                f"POST /v1/reservations HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
                f"Idempotency-Key: rush-{slot}-{number}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            ).encode()
        )
        await writer.drain()
        await gate.wait()
        writer.write(body.encode())
        answer = await reader.read()
        writer.close()
        status = answer.split(b" ", 2)[1]
        if status not in (b"201", b"409"):
            raise RuntimeError(f"neither a place nor a refusal: {answer[:300]!r}")
        return status == b"201"

    asked = [asyncio.create_task(one(number, *who)) for number, who in enumerate(people)]
    await asyncio.sleep(1)  # all are connected and have sent all but the last
    began = time.perf_counter()
    gate.set()
    won = sum(await asyncio.gather(*asked))
    seconds = time.perf_counter() - began
    if won != FEW_PLACES:
        raise RuntimeError(f"{won} people got {FEW_PLACES} places")
    return seconds


async def _generation(url: str, *, quick: bool) -> Figure:
    """Slots made from weekly templates in an empty database: one an hour, six a day, of each template for 30 days."""
    templates = 100 if quick else 500
    with psycopg.connect(url) as connection:
        connection.execute(OFFERING)
        connection.execute(MAKE_TEMPLATES, (templates,))
    began = time.perf_counter()
    async with Database(Settings(database_url=url)) as database:
        made = await generate_all(database, SYSTEM, region="CN", days=30, now=clock.now())
    seconds = time.perf_counter() - began
    return Figure(
        "slots made",
        made / seconds,
        "/s",
        ">= 20000",
        f"{made:,} slots of {templates} templates, one tier; wall clock, process and PostgreSQL on 2 cores",
    )


def _command(factory: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", f"bench.booking_app:{factory}", "--factory", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error", "--no-server-header",
    ]  # fmt: skip


def _write(path: Path, people: list[tuple[UUID, UUID]], ring: KeyRing) -> None:
    tokens, now = AccessTokens(ring, environment="production"), clock.now()
    with path.open("w") as file:
        for person_id, account_id in people:
            token, _ = tokens.issue(
                account_id=account_id,
                session_id=new_id(),
                assurance="phone",
                channel="app",
                grants=(Grant("resident", "own"),),
                now=now,
            )
            file.write(f"{person_id} {token}\n")
