"""Who steals the database, Redis or the logs reads nobody's phone, name or document: tried after a busy day."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import psycopg
import pytest
import redis

from core.actor import Grant
from tests.api.outside import outside
from tests.api.people import sign_in
from tests.api.residents import id_number, last_code
from tests.api.running import ask, running, serving, wait_until
from tests.api.signing_in import ask_for_code, bearer, code_of, sign_in_by_phone
from tests.api.visits import visit
from tests.conftest import create_database, drop_database, url_of

TODAY = datetime.now(UTC).date()
NEXT_YEAR = str(TODAY + timedelta(days=300))
# What nobody may find. Names of four rare characters, so that no word of the demo city is taken for one of them.
NAMES = ["欧阳翠翘", "司马蕙芷", "诸葛镕琬", "上官骞驿"]


def a_phone() -> str:
    return f"137{secrets.randbelow(10**8):08d}"


@dataclass
class Day:
    """What was said on that day, and what is left of it: each place's name and its text."""

    names: list[str] = field(default_factory=lambda: [*NAMES])
    phones: list[str] = field(default_factory=lambda: [a_phone() for _ in range(7)])
    documents: list[str] = field(default_factory=lambda: [id_number() for _ in range(4)])
    evidence: str = "低保证620171-证据-8841"
    left: dict[str, bytes] = field(default_factory=dict)

    def secrets(self) -> list[str]:
        return [*self.names, *self.phones, *self.documents, self.evidence]


def forms(secret: str) -> set[bytes]:
    """How ``secret`` may stand in a dump or a log: plain, hex, escaped, percent-encoded, base64 at any offset."""
    plain = secret.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode(), quote(secret).encode()}
    found.add(json.dumps(secret).strip('"').encode())
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + plain)
        # Without the first and last characters that also hold bits of what stands beside it.
        inner = coded[(0, 2, 3)[offset] : (offset + len(plain)) * 8 // 6]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def leaks(day: Day) -> list[str]:
    """Where something of ``day`` can be read."""
    return [
        f"{place}: {secret} as {form[:40]!r}"
        for secret in day.secrets()
        for form in forms(secret)
        for place, text in day.left.items()
        if form in text
    ]


def dump(url: str) -> dict[str, bytes]:
    """Every table, as COPY writes it; bytes are in hex."""
    found = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select quote_ident(relname) from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f"copy {table} to stdout") as copy:
                found[f"table {table}"] = b"".join(bytes(part) for part in copy)
    return found


def dump_redis(url: str) -> dict[str, bytes]:
    with redis.Redis.from_url(url) as client:
        return {"redis": b"\n".join(key + b" " + (client.dump(key) or b"") for key in client.scan_iter())}


class Caller:
    """Sends requests in somebody's name, and fails on answers that were not meant."""

    def __init__(self, url, headers=None):
        self.url, self.headers = url, headers or {}

    def __call__(self, method, path, body=None, *, status=(200, 201, 202, 204), **headers):
        sent = self.headers | ({"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {})
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = ask(method, self.url + path, json=body, headers=sent, timeout=30)
        assert answer.status_code in (status if isinstance(status, tuple) else (status,)), answer.text
        return answer


def spend_a_day(day: Day, url: str, database_url: str) -> None:
    """Sign-ins, persons, delegations, complaints, corrections, ratings, the desk, and many mistakes."""
    daughter_phone, mother_phone, desk_phone, contact, unknown, grantee, changed = day.phones
    daughter_name, mother_name, desk_name, typed_name = day.names
    daughter_number, mother_number, desk_number, asked_number = day.documents
    with psycopg.connect(database_url) as connection:
        site, home = connection.execute(
            "select id::text, area_id::text from site where published_at is not null and area_id is not null limit 1"
        ).fetchone()
    anyone = Caller(url)

    # The daughter signs in with her phone, registers, and asks for her mother.
    tokens = sign_in_by_phone(url, database_url, daughter_phone)
    daughter = Caller(url, bearer(tokens))
    texts = daughter("GET", "/v1/me/consents").json()["texts"]
    for one in texts:
        daughter("POST", "/v1/me/consents", {"purpose": one["purpose"], "text_version": one["version"]})
    own = {"relation": "self", "name": daughter_name, "id_number": daughter_number}
    asked = daughter("POST", "/v1/me/people", own, Idempotency_Key=f"{daughter_phone}-own").json()
    daughter("POST", f"/v1/me/people/{asked['id']}/verify", {})
    refresh = {"grant": "refresh", "refresh_token": tokens["refresh_token"]}
    daughter = Caller(url, bearer(anyone("POST", "/v1/auth/tokens", refresh).json()))
    mother = {
        "relation": "child",
        "name": mother_name,
        "id_number": mother_number,
        "phone": mother_phone,
        "scopes": ["view"],
        "purpose": f"帮{mother_name}订餐",
        "until": NEXT_YEAR,
    }
    asked = daughter("POST", "/v1/me/people", mother).json()
    code = last_code(database_url, mother_phone)
    mine = daughter("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code}).json()
    daughter("GET", f"/v1/me/people/{mine['id']}")
    # One that nobody confirms stays as a request.
    daughter(
        "POST", "/v1/me/people", mother | {"name": typed_name, "id_number": asked_number, "phone": unknown}
    )
    daughter("POST", "/v1/me/delegations", {"phone": grantee, "scopes": ["view"], "until": NEXT_YEAR})
    daughter("GET", "/v1/me/export")
    # What people call their devices.
    named = {"grant": "phone_code", "phone": grantee, "device": f"{mother_name}的手机"}
    assert ask_for_code(url, grantee).status_code == 202
    anyone("POST", "/v1/auth/tokens", named | {"code": code_of(database_url, grantee)})
    daughter("GET", "/v1/me/accesses")

    # What residents say, with more in it than they needed to say.
    said = f"{mother_name}（{mother_phone}，{mother_number}）中午没有吃上饭"
    category = anyone("GET", "/v1/feedback/options").json()["complaint_categories"][0]["code"]
    complaint = {"category": category, "text": said, "site_id": site}
    complaint = daughter("POST", "/v1/complaints", complaint, Idempotency_Key="complaint-of-the-day").json()
    visited = visit(database_url, daughter.headers, site)
    daughter("POST", "/v1/ratings", {"site_id": site, "reservation_id": visited, "level": 2, "text": said})
    correction = {"field": "phone", "text": said, "suggestion": contact, "contact_phone": contact}
    correction = anyone("POST", f"/v1/sites/{site}/corrections", correction).json()

    # The desk.
    admin = Caller(url, sign_in(database_url, Grant("district_admin", "district")))
    registered = {
        "name": desk_name,
        "id_number": desk_number,
        "phone": desk_phone,
        "home_area": home,
        "consents": ["service", "id"],
    }
    person = admin("POST", "/v1/staff/persons", registered, Idempotency_Key="desk-registers-1").json()["id"]
    for sought in ({"name": desk_name}, {"phone": desk_phone}, {"id_number": asked_number}):
        admin("POST", "/v1/staff/persons/search", sought)
    version = admin("GET", f"/v1/staff/persons/{person}").headers["ETag"]
    everything = {"fields": ["name", "id_number", "phone"], "reason": "办理补贴"}
    admin("POST", f"/v1/staff/persons/{person}/reveal", everything)
    tag = {"tag": "low_income", "evidence": day.evidence, "until_on": NEXT_YEAR}
    tag = admin("POST", f"/v1/staff/persons/{person}/tags", tag).json()["id"]
    admin("POST", f"/v1/staff/persons/{person}/tags/{tag}/revoke", {"reason": f"{desk_name}已脱贫"})
    moved = {"phone": changed, "home_area": home, "reason": "换号"}
    admin("PUT", f"/v1/staff/persons/{person}/contact", moved, If_Match=version)
    admin("POST", f"/v1/staff/corrections/{correction['id']}/contact", {"reason": "回电核实"})
    admin(
        "POST",
        f"/v1/staff/complaints/{complaint['id']}/reply",
        {"text": f"已致电{mother_name}{mother_phone}"},
    )
    auditor = Caller(url, sign_in(database_url, Grant("auditor", "district")))
    auditor("GET", f"/v1/staff/audit?person_id={person}")

    # Mistakes: what is refused is often written down to be looked at.
    refused = (400, 401, 404, 405, 409, 422, 428)
    anyone("POST", "/v1/auth/codes", {"phone": f"{unknown}99", "name": desk_name}, status=refused)
    anyone(
        "POST", "/v1/auth/tokens", {"grant": "phone_code", "phone": unknown, "code": "000000"}, status=refused
    )
    anyone(
        "POST",
        "/v1/auth/tokens",
        {"grant": "password", "username": desk_phone, "password": desk_number},
        status=refused,
    )
    anyone("GET", f"/v1/me?phone={unknown}", status=refused, Authorization=f"Bearer {desk_number}")
    anyone("GET", f"/v1/search?q={quote(desk_name)}")
    anyone("GET", f"/v1/{desk_phone}/{quote(desk_name)}", status=refused)
    anyone("GET", f"/v1/sites/{desk_number}", status=refused)
    daughter("POST", "/v1/me/people", own | {"id_number": mother_number[:-1]}, status=refused)
    daughter("POST", "/v1/me/people", own | {"telephone": desk_phone}, status=refused)
    daughter(
        "POST",
        "/v1/me/people",
        own | {"name": desk_name},
        status=refused,
        Idempotency_Key=f"{daughter_phone}-own",
    )
    admin("POST", "/v1/staff/persons", registered, status=refused)
    admin("POST", "/v1/staff/persons/search", {"phone": desk_phone, "name": desk_name}, status=refused)
    admin("PUT", f"/v1/staff/persons/{person}/contact", moved, status=refused)
    broken = f'{{"phone": "{desk_phone}"'.encode()
    assert httpx.post(f"{url}/v1/auth/codes", content=broken, trust_env=False).status_code in refused


@pytest.fixture(scope="module")
def day(tmp_path_factory, server_url, city_template, redis_url):
    """The busy day, with a worker that sends its messages; and everything a thief could get of it."""
    name = create_database(server_url, city_template)
    url = url_of(server_url, name)
    logs = tmp_path_factory.mktemp("leaks")
    day = Day()
    settings = {"database_url": url, "redis_url": redis_url, "log_level": "DEBUG"}
    with outside("text-messages", logs / "gateway") as gateway:
        webhook = {
            "sender": "webhook",
            "webhook_url": gateway.url + "/busy-twice",
            "webhook_secret": "s" * 32,
        }
        with (
            serving(logs / "server", **settings, checksum_gives_real_name="true") as server,
            running(logs / "worker", "worker", **settings, **webhook),
        ):
            spend_a_day(day, server.url, url)
            wait_until(lambda: len(gateway.asked()) >= 3, "messages that left")
            day.left = {**dump(url), **dump_redis(redis_url)}
        assert day.phones[0] in gateway.log_path.read_text()  # the messages themselves are whole
    for log in ("server", "worker"):
        day.left[log] = (logs / log).read_bytes()
    yield day
    drop_database(server_url, name)


def test_nothing_of_the_day_can_be_read_by_who_steals_the_database_redis_or_the_logs(day):
    assert leaks(day) == []


def test_the_day_left_something_everywhere(day):
    """Or the test above would have looked at nothing."""
    for table in (
        "account",
        "person",
        "person_request",
        "delegation",
        "complaint",
        "correction",
        "rating",
        "message",
        "audit_entry",
        "person_tag",
        "kept_answer",
        "one_time_code",
    ):
        assert day.left[f"table {table}"], table
    assert day.left["server"].count(b"\n") > 40
    assert day.left["worker"].count(b"\n") > 3


@pytest.mark.parametrize(
    "statement",
    [
        "insert into source (code, name) values ('leak', %(text)s)",
        "update audit_entry set detail = jsonb_build_object('name', %(text)s::text)",
        "update account set phone = convert_to(%(text)s, 'utf8'), phone_blind = '\\x00'"
        " where id = (select id from account where phone is not null limit 1)",
        "insert into source (code, name) values ('leak', encode(convert_to(%(text)s, 'utf8'), 'base64'))",
        "insert into source (code, name) values ('leak', encode(convert_to('a' || %(text)s, 'utf8'), 'base64'))",
        "insert into source (code, name) values ('leak', encode(convert_to('ab' || %(text)s, 'utf8'), 'base64'))",
    ],
    ids=["plain", "json", "bytes", "base64", "base64-1", "base64-2"],
)
def test_a_row_written_in_plain_is_found(day, database_url, statement):
    """Negative control, for a name, a phone and a document."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into account (id, kind, created_at, phone, phone_blind)"
            " values (gen_random_uuid(), 'resident', now(), '\\x01', '\\x02')"
        )
        connection.execute("alter table audit_entry disable trigger user")
        connection.execute(
            "insert into audit_entry (id, at, actor, channel, action, object_kind)"
            " values (gen_random_uuid(), now(), 'x', 'web', 'y', 'z')"
        )
        for secret in (day.names[0], day.phones[0], day.documents[0]):
            connection.execute("delete from source where code = 'leak'")
            connection.execute(statement, {"text": secret})
            stolen = Day(day.names, day.phones, day.documents, left=dump(database_url))
            assert any(secret in one for one in leaks(stolen)), secret


def test_a_line_of_a_log_in_plain_is_found(day):
    """Negative control, as JSON escapes it and as an address holds it."""
    for line in (
        json.dumps({"message": day.names[0]}),
        json.dumps({"path": quote(day.names[0])}),
        f"to {day.phones[1]}",
    ):
        assert leaks(Day(day.names, day.phones, day.documents, left={"log": line.encode()})) != []
