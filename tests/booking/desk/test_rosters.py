"""The roster of a device that may lose its network: who opens it, what is in it, what is not."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from sqlalchemy import select

from api.views.desk import roster_out
from booking.desk.rosters import base64, make_roster
from booking.desk.tickets import ticket_digest, ticket_of
from booking.errors import InvalidDeviceKey
from booking.reservations import life
from core.audit import AuditEntry
from core.permissions import NotAllowed
from tests.booking.desk.meals import NOW, clerk_of, minutes, staff_of

DOCS = Path(__file__).parents[3] / "docs/desk.md"
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@pytest.fixture
def device():
    return X25519PrivateKey.generate()


def public(device):
    return base64(device.public_key().public_bytes_raw())


async def roster_for(desk, device, **more):
    return await make_roster(
        desk.session,
        desk.clerk,
        ring=desk.ring,
        site_id=desk.site_id,
        device_key=public(device),
        **{"now": NOW, **more},
    )


def opened(roster, device):
    return json.loads(SUITE.decrypt(roster.enc + roster.ciphertext, device, roster.info.encode()))


async def test_only_the_device_it_was_made_for_opens_it(desk, device):
    await desk.guest()
    roster = await roster_for(desk, device)
    assert opened(roster, device)["roster_id"] == str(roster.id)
    with pytest.raises(InvalidTag):
        opened(roster, X25519PrivateKey.generate())
    with pytest.raises(InvalidTag):
        SUITE.decrypt(roster.enc + roster.ciphertext, device, b"xinban desk roster 1 another")


async def test_it_holds_what_recognises_and_entitles_people_and_no_more(desk, device):
    desk.offering.rules = {
        "tiers": {"hardship": {"who": [{"rule": "tag", "any": ["low_income"]}]}},
        "price": [{"rule": "fixed", "value": 500, "who": [{"rule": "tag", "any": ["low_income"]}]}],
    }
    await desk.session.flush()
    one = await desk.guest("王秀英", "+8613812345678", "low_income", "disability")
    content = opened(await roster_for(desk, device), device)
    (slot,) = content["slots"]
    (person,) = slot["reservations"]
    assert person == {
        "reservation_id": str(one.id),
        "code": one.code,
        "tickets": person["tickets"],
        "name": "王**",
        "last_digits": "5678",
        "party_size": 1,
        "mode": "dine_in",
        "state": "confirmed",
        "tiers": ["general"],
        "tags": ["low_income"],
        "needs": [],
        "seats": [],
        "price_fen": 500,
    }
    said = json.dumps(content, ensure_ascii=False)
    for kept_back in ("秀英", "1381234", str(one.person_id), "disability"):
        assert kept_back not in said
    assert (slot["places_left"], slot["party_max"]) == (9, 4)


async def test_it_recognises_tickets_of_every_key_and_lets_nobody_make_one(desk, device):
    one = await desk.guest()
    roster = await roster_for(desk, device)
    ticket = ticket_of(desk.ring, one)
    (person,) = opened(roster, device)["slots"][0]["reservations"]
    assert ticket_digest(ticket) in person["tickets"]
    assert len(person["tickets"]) == len(desk.ring.keys)
    assert ticket.split(".")[2] not in json.dumps(opened(roster, device))


async def test_who_cancelled_or_holds_a_place_is_not_on_it(desk, device):
    gone = await desk.guest()
    await life.cancel(desk.session, desk.clerk, reservation_id=gone.id, now=NOW)
    await desk.book(hold=True, now=NOW)
    assert opened(await roster_for(desk, device), device)["slots"][0]["reservations"] == []


async def test_it_is_valid_until_the_day_is_over_at_the_site(desk, device):
    roster = await roster_for(desk, device)
    assert roster.valid_until.isoformat() == "2026-11-25T00:00:00+08:00"
    content = opened(roster, device)
    assert content["valid_until"] == "2026-11-25T00:00:00+08:00"
    assert datetime.fromisoformat(content["made_at"]) == NOW


async def test_each_roster_is_on_record_with_everyone_on_it(desk, device):
    one = await desk.guest()
    roster = await roster_for(desk, device, now=NOW + minutes(1))
    entries = (
        await desk.session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(roster.id)))
    ).all()
    assert [(entry.person_id, entry.detail["look"]) for entry in entries] == [(one.person_id, "roster")]


@pytest.mark.parametrize(
    "key", [base64(bytes(32)), base64(b"\1" + bytes(31)), "A" * 42, "A" * 44, "é" * 43, "A" * 42 + "B"]
)
async def test_a_key_that_protects_nothing_or_is_none_is_refused(desk, key):
    with pytest.raises(InvalidDeviceKey):
        await make_roster(
            desk.session, desk.clerk, ring=desk.ring, site_id=desk.site_id, device_key=key, now=NOW
        )


async def test_staff_of_another_site_get_no_roster(desk, device, sites):
    desk.clerk = await staff_of(desk.session, clerk_of(sites[1].id))
    with pytest.raises(NotAllowed):
        await roster_for(desk, device)


def snippets():
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)


async def test_the_documentations_two_ways_of_opening_a_roster_work(desk, device):
    """What docs/desk.md tells developers of devices: with a library, and step by step as RFC 9180 says."""
    one = await desk.guest()
    answer = json.loads(roster_out(await roster_for(desk, device)).model_dump_json())
    assert len(snippets()) == 2
    for code in snippets():
        names = {"answer": answer, "private_key": device}
        exec(compile(code, str(DOCS), "exec"), names)  # noqa: S102  # our own documentation
        assert names["roster"]["slots"][0]["reservations"][0]["code"] == one.code
