"""Reading published sites: what belongs to a site at the instant it is asked for."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from core.actor import ANYONE, SYSTEM
from geo.calendar.workdays import WorkCalendar
from geo.errors import SiteNotFound
from geo.hours.state import open_state
from geo.sites.input import ExceptionIn
from geo.sites.read import get_site, list_sites, sites_query
from geo.sites.store import put_sites, put_source
from tests.geo.test_site_store import a_site

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


async def put(session, *sites, **more):
    await put_source(session, SYSTEM, code="test", name="test")
    await put_sites(session, SYSTEM, source_code="test", sites=sites, now=NOW, **more)
    return await list_sites(session, sites_query(after=None, limit=10), today=date(2026, 11, 24))


async def test_yesterdays_exception_still_closes_the_small_hours_of_today(session):
    off = ExceptionIn(on_date=date(2026, 11, 23), hours="off", reason="停电")
    rows = await put(session, a_site(hours="Mo-Su 22:00-02:00", exceptions=(off,)))
    one_at_night = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)  # 01:00 on the 24th in 兰州
    assert open_state(rows[0].hours, WorkCalendar(), one_at_night).state == "closed"
    detail = await get_site(session, ANYONE, site_id=rows[0].site.id, today=date(2026, 11, 24))
    assert open_state(detail.row.hours, WorkCalendar(), one_at_night).state == "closed"
    assert detail.exceptions == []  # over, so no longer announced


async def test_a_draft_is_not_there_for_the_public(session):
    assert await put(session, a_site(), publish=False) == []


async def test_a_site_that_is_not_there_is_not_found(session):
    with pytest.raises(SiteNotFound):
        await get_site(session, ANYONE, site_id=NOBODY, today=date(2026, 11, 24))


NOBODY = UUID("00000000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("box", "found"),
    [((103.5, 36.4, 103.7, 36.6), 1), ((103.7, 36.4, 103.8, 36.6), 0), ((103.5, 36.4, -170.0, 36.6), 1)],
    ids=["around", "beside", "across the 180th meridian"],
)
async def test_a_box_holds_what_lies_in_it(session, box, found):
    await put(session, a_site())
    query = sites_query(after=None, limit=10, box=box)
    assert len(await list_sites(session, query, today=date(2026, 11, 24))) == found
