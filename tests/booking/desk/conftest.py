"""Two meal points; the desk is at the first."""

import pytest

from tests.booking.desk.meals import desk_of
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import imported


@pytest.fixture
async def sites(session):
    return await imported(session, a_site("1", name="文化社区助餐点"), a_site("2", name="新园社区助餐点"))


@pytest.fixture
async def desk(session, ring, sites):
    return await desk_of(session, ring, sites[0])
