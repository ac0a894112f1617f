"""Sites, residents and staff for complaints and ratings."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from booking.people.models import Account
from core.actor import SYSTEM, Actor, Grant
from geo.calendar.store import put_calendar_year
from geo.calendar.workdays import DayKind
from geo.sites.input import ServiceIn
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import imported

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # a Tuesday, 11:00 in 兰州
ZONE = "Asia/Shanghai"


@pytest.fixture
async def sites(session):
    """Two sites that offer lunch, and the workdays of 2026."""
    days = [(date(2026, 10, 1), DayKind.holiday, "国庆节")]
    await put_calendar_year(session, SYSTEM, region="CN", year=2026, days=days, source="test", now=NOW)
    services = (ServiceIn(name="午餐"), ServiceIn(name="晚餐"))
    return await imported(session, a_site("1", services=services), a_site("2", services=services))


@pytest.fixture
def account(session):
    """Makes accounts, each as the actor that acts for it."""

    async def make(*grants: Grant, kind: str = "resident", account_id: UUID | None = None) -> Actor:
        account_id = account_id or uuid4()
        session.add(Account(id=account_id, kind=kind, assurance="phone", created_at=NOW))
        await session.flush()
        return Actor(f"account:{account_id}", "app", account_id=account_id, grants=grants)

    return make


@pytest.fixture
def clerk(account):
    """Makes staff of one site."""

    async def make(site) -> Actor:
        return await account(Grant("site_staff", "site", str(site.id)), kind="staff")

    return make
