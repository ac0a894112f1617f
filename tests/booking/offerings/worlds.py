"""Offerings with templates at a site, made as staff make them."""

from datetime import UTC, date, datetime, time

from sqlalchemy import select

from booking.models import Offering, OfferingTemplate, Slot, SlotBucket
from booking.offerings.define import define_offering
from booking.offerings.edit import take_step
from booking.offerings.input import OfferingIn, TemplateIn
from booking.offerings.templates import add_template
from core.actor import SYSTEM
from geo.calendar.store import put_calendar_year
from geo.calendar.workdays import DayKind

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # a Tuesday, 11:00 in 兰州
TODAY = date(2026, 11, 24)
REGION = "CN"
WEEKDAYS = (1, 2, 3, 4, 5)
WORKDAYS = ("workday", "makeup_workday")
EVERY_DAY = ("workday", "rest_day", "holiday", "makeup_workday")


async def announce(session, *years, days=()):
    for year in years:
        of_year = [one for one in days if one[0].year == year]
        await put_calendar_year(
            session, SYSTEM, region=REGION, year=year, days=of_year, source="test", now=NOW
        )


def lunch(**more):
    return OfferingIn(**{"kind": "meal", "title": "午餐", "party_max": 4, **more})


def pattern(**more):
    said = {
        "day_kinds": EVERY_DAY,
        "starts_at": time(12),
        "ends_at": time(13),
        "places": {"general": 10},
        "valid_from": date(2026, 1, 1),
    }
    return TemplateIn(**{**said, **more})


async def offer(session, site, *patterns, content=None, actor=SYSTEM, now=NOW, **more) -> Offering:
    """An active offering with these templates."""
    offering = await define_offering(
        session, actor, site_id=site.id, content=content or lunch(**more), now=now
    )
    for one in patterns:
        await add_template(session, actor, offering_id=offering.id, content=one, region=REGION, now=now)
    offering, _ = await take_step(
        session, actor, offering_id=offering.id, step="activate", region=REGION, now=now
    )
    return offering


async def slots_of(session, offering) -> list[Slot]:
    query = select(Slot).where(Slot.offering_id == offering.id).order_by(Slot.starts_at)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def open_days(session, offering):
    return [slot.on_date for slot in await slots_of(session, offering) if slot.state == "open"]


async def buckets_of(session, slot):
    query = select(SlotBucket).where(SlotBucket.slot_id == slot.id).execution_options(populate_existing=True)
    return {one.tier: one for one in await session.scalars(query)}


async def template_of(session, offering) -> OfferingTemplate:
    query = select(OfferingTemplate).where(OfferingTemplate.offering_id == offering.id)
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


HOLIDAY = (date(2026, 12, 1), DayKind.holiday, "节日")
MAKEUP = (date(2026, 12, 5), DayKind.makeup_workday, None)  # a Saturday
