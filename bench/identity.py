"""What it costs to know who calls, to ask what they may, to count their calls, and to encrypt a person.

One API process on one core, wrk with 16 connections on the other, and an endpoint that asks who calls and does nothing
else: the smallest request there is, against which the cost looks largest. Its kinds are loaded in turn, several rounds,
and the median round is reported. A cost is time on the processor: of this process, or of the API's by the request.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from api.identity.tokens import CACHED_TOKENS, AccessTokens
from bench import scoped_lists
from bench.report import Figure
from bench.servers import free_port, migrated_database, server, wrk
from core import clock
from core.actor import Grant
from core.ids import new_id
from core.keyring import Key, KeyRing, Suite

SERVER_CORE, LOAD_CORE = 0, 1
ENVIRONMENT = "production"  # whose tokens are issued here and accepted there
# More sessions than a process keeps verified tokens of: none is known when its turn comes again.
SESSIONS, UNCACHED = 1_000, 2 * CACHED_TOKENS
GRANTS = (Grant("site_staff", "site", str(new_id())), Grant("site_staff", "township", str(new_id())))

READ = """
local tokens, n = {}, 0
for line in io.lines("{tokens}") do tokens[#tokens + 1] = line end
function request()
  n = n + 1
  return wrk.format("GET", "/bench/who", {["Authorization"] = "Bearer " .. tokens[n % #tokens + 1]})
end
"""
ANONYMOUS = 'function request() return wrk.format("GET", "/bench/who") end'
POST = 'function request() return wrk.format("POST", "{path}", {headers}) end'
# Each caller an address of its own, or the load would meet the limit.
LIMITED = """
local n = 0
function request()
  n = n + 1
  local address = string.format("10.%d.%d.%d", n / 65536 % 256, n / 256 % 256, n % 256)
  return wrk.format("POST", "/bench/limited", {["X-Forwarded-For"] = address})
end
"""
KEYED = """
local n, run = 0, os.time()
function request()
  n = n + 1
  return wrk.format("POST", "/bench/stored", {["Idempotency-Key"] = string.format("bench-%d-%d", run, n)})
end
"""


def run(*, quick: bool) -> list[Figure]:
    """All figures of identity."""
    figures = [*_encryption(), *_tokens()]
    with migrated_database() as url:
        figures += _requests(url, quick=quick)
        figures += scoped_lists.run(url)
    return figures


def _microseconds(work: Callable[[int], object], *, times: int = 2_000, rounds: int = 7) -> float:
    """Of one call of ``work``, which gets a number: the median round's mean."""
    seen = []
    for one in range(rounds):
        began = time.process_time()
        for number in range(one * times, (one + 1) * times):
            work(number)
        seen.append((time.process_time() - began) / times * 1e6)
    return statistics.median(seen)


def _processor_seconds(pid: int) -> float:
    """Time that a process has had on the processor so far, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _encryption() -> list[Figure]:
    """A person: name, phone and ID number encrypted, the latter two indexed; and read again."""
    suites: tuple[Suite, ...] = ("aes", "gm")
    figures = []
    for suite in suites:
        ring, row = KeyRing([Key.create("bench", suite)]), new_id()
        sealed = ring.encrypt("person.name", row, "张桂兰")

        def person(number: int, ring: KeyRing = ring) -> None:
            row, phone, id_number = new_id(), f"+86138{number:08}", f"62010219450{number:06}X"
            ring.encrypt("person.name", row, "张桂兰")
            ring.encrypt("person.phone", row, phone)
            ring.encrypt("person.id_number", row, id_number)
            ring.blind("person.phone", phone)
            ring.blind("person.id_number", id_number)

        figures += [
            Figure(
                f"encrypt a person, {suite}",
                _microseconds(person),
                "µs",
                "<= 100",
                "3 fields and 2 blind indexes",
                decides=True,
            ),
            Figure(
                f"decrypt a field, {suite}",
                _microseconds(lambda _, ring=ring, row=row, it=sealed: ring.decrypt("person.name", row, it)),  # type: ignore[misc]  # a lambda's defaults have no types
                "µs",
            ),
        ]
    return figures


def _issue(ring: KeyRing, count: int) -> list[str]:
    """Tokens of ``count`` sessions of staff. The sessions need no rows: only those that ended are looked up."""
    tokens, now = AccessTokens(ring, environment=ENVIRONMENT), clock.now()
    return [
        tokens.issue(
            account_id=new_id(),
            session_id=new_id(),
            assurance="phone",
            channel="app",
            grants=GRANTS,
            now=now,
        )[0]
        for _ in range(count)
    ]


def _tokens() -> list[Figure]:
    ring, now = KeyRing([Key.create("bench", "aes")]), clock.now()
    times, rounds = 1_000, 5
    issued = _issue(ring, times * rounds)
    tokens = AccessTokens(ring, environment=ENVIRONMENT)
    return [
        Figure(
            "verify a token, new",
            _microseconds(lambda n: tokens.verify(issued[n], now=now), times=times, rounds=rounds),
            "µs",
            "<= 250",
            "HS256, 2 grants, in process",
            decides=True,
        ),
        Figure(
            "verify a token, known",
            _microseconds(lambda n: tokens.verify(issued[n], now=now), times=times, rounds=rounds),
            "µs",
        ),
    ]


def _requests(url: str, *, quick: bool) -> list[Figure]:
    seconds, rounds = (1, 3) if quick else (4, 5)
    key = Key.create("bench", "aes")
    ring, port = KeyRing([key]), free_port()
    command = [
        sys.executable, "-m", "uvicorn", "bench.identity_app:make_app", "--factory", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error", "--no-server-header",
    ]  # fmt: skip
    env = {
        "XINBAN_DATABASE_URL": url,
        "XINBAN_KEYS": key.line(),
        "XINBAN_LIMITS": "on",
        "XINBAN_ENV": ENVIRONMENT,
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        server(command, port=port, ready="/readyz", env=env, core=SERVER_CORE) as ours,
    ):
        scripts = _scripts(Path(folder), ring)

        def load(name: str, seconds: int) -> float:
            """Microseconds on the processor that the API takes for a request."""
            began = _processor_seconds(ours.pid)
            per_second = wrk(ours.url("/"), scripts[name], seconds=seconds, core=LOAD_CORE).per_second
            return (_processor_seconds(ours.pid) - began) / (per_second * seconds) * 1e6

        for name in scripts:
            load(name, 1)
        seen = [{name: load(name, seconds) for name in scripts} for _ in range(rounds)]

    def median(of: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(of(one) for one in seen)

    conditions = f"1 process on 1 core, 16 connections, {rounds} x {seconds} s, median round"
    return [
        Figure(
            "signed in / anonymous",
            median(lambda one: one["signed_in"] / one["anonymous"]),
            "x",
            "<= 1.3",
            f"{SESSIONS:,} sessions, tokens known; {conditions}",
            decides=True,
        ),
        Figure(
            "signed in less anonymous, token new",
            median(lambda one: one["new_token"] - one["anonymous"]),
            "µs",
            "<= 250",
            f"{UNCACHED:,} sessions, more than are kept; {conditions}",
            decides=True,
        ),
        Figure("anonymous request", median(lambda one: one["anonymous"]), "µs", "", conditions),
        Figure(
            "counting a call for limits",
            median(lambda one: one["limited"] - one["anonymous_post"]),
            "µs",
            "",
            "1 limit per address; the API's time only, not Redis'",
        ),
        Figure(
            "keeping an answer",
            median(lambda one: one["keyed"] - one["not_keyed"]),
            "µs",
            "",
            "2 locks, 2 look-ups, 2 rows, as signed out; the API's time only, not the database's",
        ),
    ]


def _scripts(folder: Path, ring: KeyRing) -> dict[str, str]:
    def tokens(count: int) -> str:
        path = folder / f"{count}.txt"
        path.write_text("\n".join(_issue(ring, count)) + "\n")
        return READ.replace("{tokens}", str(path))

    texts = {
        "anonymous": ANONYMOUS,
        "signed_in": tokens(SESSIONS),
        "new_token": tokens(UNCACHED),
        "anonymous_post": POST.replace("{path}", "/bench/who").replace("{headers}", "{}"),
        "limited": LIMITED,
        "not_keyed": POST.replace("{path}", "/bench/stored").replace("{headers}", "{}"),
        "keyed": KEYED,
    }
    for name, text in texts.items():
        (folder / f"{name}.lua").write_text(text)
    return {name: str(folder / f"{name}.lua") for name in texts}
