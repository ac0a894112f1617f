"""Offerings: what can be said of one, its states, and who may change it."""

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from booking.errors import InvalidRules, OfferingNotFound
from booking.offerings.define import define_offering
from booking.offerings.edit import edit_offering, take_step
from booking.offerings.errors import OfferingChanged, OfferingInvalid, WrongOfferingState
from booking.offerings.held import hold_offering
from booking.offerings.listing import offerings_query
from booking.offerings.templates import add_template
from core.actor import ANYONE, SYSTEM
from core.audit import AuditEntry
from core.permissions import NotAllowed, NotSignedIn
from tests.booking.offerings.worlds import NOW, REGION, lunch, offer, pattern, slots_of


async def define(session, site, actor=SYSTEM, **more):
    return await define_offering(session, actor, site_id=site.id, content=lunch(**more), now=NOW)


async def step(session, offering, name, actor=SYSTEM):
    return await take_step(session, actor, offering_id=offering.id, step=name, region=REGION, now=NOW)


async def edit(session, offering, version, actor=SYSTEM, **more):
    return await edit_offering(
        session, actor, offering_id=offering.id, version=version, content=lunch(**more), now=NOW
    )


async def test_a_draft_has_no_slots_until_it_is_active(session, sites):
    offering = await define(session, sites[0])
    _, generated = await add_template(
        session, SYSTEM, offering_id=offering.id, content=pattern(), region=REGION, now=NOW
    )
    assert (generated.made, await slots_of(session, offering)) == (0, [])
    _, generated = await step(session, offering, "activate")
    assert generated.made == 30


async def test_the_steps_and_those_that_are_refused(session, sites):
    offering = await define(session, sites[0])
    for name, state in (
        ("activate", "active"),
        ("pause", "paused"),
        ("activate", "active"),
        ("end", "ended"),
    ):
        offering, _ = await step(session, offering, name)
        assert offering.status == state
    for name in ("activate", "pause", "end"):
        with pytest.raises(WrongOfferingState) as error:
            await step(session, offering, name)
        assert error.value.fields["state"] == "ended"
    with pytest.raises(WrongOfferingState):
        await edit(session, offering, offering.version, title="晚餐")


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"eligibility": [{"rule": "zodiac", "value": 3}]}, "rules/eligibility/0/rule"),
        ({"tiers": {"general": {"channels": ["phone"]}}}, "rules/tiers/general"),
        ({"tires": {}}, "rules/tires"),
    ],
)
async def test_rules_that_nobody_knows_are_refused_by_name(session, sites, rules, field):
    with pytest.raises(InvalidRules) as error:
        await define(session, sites[0], rules=rules)
    assert error.value.fields["errors"][0]["field"].endswith(field)


async def test_a_tier_that_a_template_uses_stays(session, sites):
    rules = {"tiers": {"elder": {"who": [{"rule": "min_age", "value": 60}]}}}
    offering = await offer(session, sites[0], pattern(places={"elder": 2}), rules=rules)
    with pytest.raises(OfferingInvalid) as error:
        await edit(session, offering, offering.version)
    assert error.value.fields["errors"][0]["field"] == "rules/tiers/elder"


async def test_with_templates_its_shape_stays(session, sites):
    offering = await offer(session, sites[0], pattern())
    with pytest.raises(OfferingInvalid) as error:
        await edit(session, offering, offering.version, kind="advice")
    assert error.value.fields["errors"][0]["field"] == "kind"


@pytest.mark.parametrize(
    "said",
    [
        {"shape": "interval"},
        {"granularity_minutes": 30, "shortest_minutes": 30, "longest_minutes": 60},
        {"shape": "interval", "granularity_minutes": 30, "shortest_minutes": 45, "longest_minutes": 60},
        {"capacity_authority": "external"},
        {"external_url": "https://example.org/"},
        {"capacity_authority": "allotted", "shape": "seated"},
        {"kind": "supply", "shape": "seated"},
        {"modes": ("dine_in", "dine_in")},
        {"opens_at": "7"},
        {"rules": {"x": 10**30}},
        {"rules": {"x": "\ud800"}},
        {"rules": {"x": "\x00"}},
        {"titel": "午餐"},
    ],
)
def test_what_cannot_be_said_is_refused(said):
    with pytest.raises(ValidationError):
        lunch(**said)


async def test_only_those_who_manage_the_site_may(session, sites, account, clerk):
    own, other, resident = await clerk(sites[0]), await clerk(sites[1]), await account()
    offering = await define(session, sites[0], own)
    for actor, refused in ((other, NotAllowed), (resident, NotAllowed), (ANYONE, NotSignedIn)):
        with pytest.raises(refused):
            await define(session, sites[0], actor)
    with pytest.raises(OfferingNotFound):  # nobody else knows of a draft
        await hold_offering(session, other, offering_id=offering.id)
    await step(session, offering, "activate", own)
    with pytest.raises(NotAllowed):
        await edit(session, offering, 2, other, title="晚餐")
    await define(session, sites[1], other)

    async def listed(actor):
        query = offerings_query(actor, site_id=None, status=None, kind=None, after=None, limit=9)
        return [one.site_id for one in await session.scalars(query)]

    assert await listed(own) == [sites[0].id]
    assert len(await listed(SYSTEM)) == 2


async def test_each_change_is_on_record_and_told_to_whoever_comes_late(session, sites, clerk):
    own = await clerk(sites[0])
    offering = await define(session, sites[0], own)
    await edit(session, offering, 1, own, title="午餐和晚餐", price_fen=800)
    with pytest.raises(OfferingChanged) as error:
        await edit(session, offering, 1, title="早餐")
    fields = error.value.fields
    assert fields["changes"] == {"title": {"now": "午餐和晚餐"}, "price_fen": {"now": 800}}
    assert [(one["version"], one["roles"]) for one in fields["changed_by"]] == [(2, "site_staff")]
    entries = (
        await session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(offering.id)))
    ).all()
    assert sorted(one.detail["act"] for one in entries) == ["defined", "edited"]
    assert (await edit(session, offering, 2, own, title="午餐和晚餐", price_fen=800)).version == 2
