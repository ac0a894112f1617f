"""Two places that have nothing in common, two residents, and one of everything at the second place and of the second's.

What is somebody else's is made through the API by those who may, so that a refusal means the scope and nothing else.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import psycopg

from booking.people.documents import check_document
from booking.people.persons import add_person
from core import clock
from core.actor import SYSTEM, Grant
from core.database import Database
from core.ids import new_id
from core.keyring import KeyRing
from core.settings import Settings
from tests.api.people import sign_in, who
from tests.api.visits import visit
from tests.conftest import TEST_RING

REASON = "测试用的原因"
RING = KeyRing.parse(TEST_RING)
# Published sites with their township and the root of their category.
PLACES = """
with recursive up as (
    select id as leaf, id, parent_id, kind from area
    union all
    select leaf, a.id, a.parent_id, a.kind from up join area a on a.id = up.parent_id
), root as (
    select code as leaf, code, parent_code from category
    union all
    select leaf, c.code, c.parent_code from root join category c on c.code = root.parent_code
)
select s.id::text, up.id::text, root.code from site s
join up on up.leaf = s.area_id and up.kind = 'township'
join root on root.leaf = s.category_code and root.parent_code is null
where s.published_at is not null and s.status = 'active'
order by s.name, s.id
"""


@dataclass(frozen=True)
class Place:
    """A site, its township and the root of its category."""

    site: str
    township: str
    category: str

    def grant(self, role, scope):
        return Grant(
            role, scope, {"site": self.site, "township": self.township, "category": self.category}[scope]
        )


class World:
    """``ids`` names what exists at the place ``there`` and belongs to the resident ``owner``."""

    def __init__(self, server_url: str, database_url: str) -> None:
        self.url, self.database_url = server_url, database_url
        self.client = httpx.Client(base_url=server_url, trust_env=False, timeout=30)
        with psycopg.connect(database_url) as connection:
            places = [Place(*row) for row in connection.execute(PLACES).fetchall()]
        self.there = places[0]
        self.here = next(
            one
            for one in places
            if one.township != self.there.township and one.category != self.there.category
        )
        self.admin = sign_in(database_url, Grant("district_admin", "district"))
        self.owner = sign_in(database_url, kind="resident", assurance="real_name")
        self.stranger = sign_in(database_url, kind="resident", assurance="real_name")
        self.ids: dict[str, str] = {"site_id": self.there.site}
        self._fill()

    def ask(self, headers, method, path, json=None, **more):
        sent = {**headers, "Idempotency-Key": f"world-{datetime.now(UTC).timestamp()}", **more}
        return self.client.request(method, path, headers=sent, json=json)

    def made(self, headers, path, json):
        answer = self.ask(headers, "POST", path, json)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def site(self):
        answer = self.client.get(f"/v1/staff/sites/{self.there.site}", headers=self.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _fill(self) -> None:
        site, ids = self.there.site, self.ids
        closure = {"from": str((clock.now() + timedelta(days=30)).date()), "reason": REASON}
        ids["closure_id"] = self.made(self.admin, f"/v1/staff/sites/{site}/closures", closure)["id"]
        report = {"field": "phone", "text": "电话打不通", "contact_phone": "13800000001"}
        made = self.made(self.owner, f"/v1/sites/{site}/corrections", report)
        ids["correction_id"] = made["id"]
        options = self.client.get("/v1/feedback/options").json()
        complaint = {
            "category": options["complaint_categories"][0]["code"],
            "text": "没有开门",
            "site_id": site,
        }
        ids["complaint_id"] = self.made(self.owner, "/v1/complaints", complaint)["id"]
        sheet = {
            "site_id": site,
            "on": str((clock.now() - timedelta(days=2)).date()),
            "counts": {"5": 3},
            "sheet_reference": "A3",
        }
        ids["sheet_id"] = self.made(self.admin, "/v1/staff/ratings/batch", sheet)["id"]
        ids["person_id"] = str(asyncio.run(self._person("王秀英", "620102195003070028", None)))
        ids["own_person_id"] = str(asyncio.run(self._person("李强", "620102198001010017", who(self.owner))))
        visited = visit(self.database_url, self.owner, site)
        rating = {"site_id": site, "level": 4, "reservation_id": visited}
        ids["rating_id"] = self.made(self.owner, "/v1/ratings", rating)["id"]
        tag = {
            "tag": "low_income",
            "evidence": "2026-001",
            "until_on": str((clock.now() + timedelta(days=90)).date()),
        }
        ids["tag_id"] = self.made(self.admin, f"/v1/staff/persons/{ids['person_id']}/tags", tag)["id"]
        delegation = {
            "phone": "13800000009",
            "scopes": ["view"],
            "until": str((clock.now() + timedelta(days=30)).date()),
        }
        ids["delegation_id"] = self.made(self.owner, "/v1/me/delegations", delegation)["id"]
        text = self.client.get("/v1/me/consents", headers=self.owner).json()["texts"][0]
        consent = {"purpose": text["purpose"], "text_version": text["version"]}
        ids["consent_id"] = self.made(self.owner, "/v1/me/consents", consent)["id"]
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(
                "select id from account_session where account_id = %s", (who(self.owner),)
            ).fetchone()
            identity = new_id()
            connection.execute(
                "insert into external_identity (id, account_id, provider, subject, subject_blind, created_at, used_at)"
                " values (%s, %s, 'province', %s, %s, now(), now())",
                (
                    identity,
                    who(self.owner),
                    RING.encrypt("external_identity.subject", identity, "subject-1"),
                    RING.blind("external_identity.subject", "subject-1"),
                ),
            )
        ids["session_id"], ids["identity_id"] = str(row[0]), str(identity)

    async def _person(self, name, number, account_id) -> UUID:
        """Somebody who lives in the township of ``there``."""
        now = clock.now()
        async with (
            Database(Settings(database_url=self.database_url)) as doors,
            doors.transaction() as session,
        ):
            person = await add_person(
                session,
                SYSTEM,
                ring=RING,
                name=name,
                document=check_document("id_card", number, today=now.date()),
                birth_on=None,
                sex=None,
                phone=None,
                home_area_id=UUID(self.there.township),
                verification="desk",
                account_id=account_id,
                now=now,
            )
        return person.id
