"""Which roles an account holds, and where."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, case, func, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import RoleGrant
from booking.people.dates import local_date
from booking.people.models import Account
from core.actor import Grant, Role, ScopeKind
from core.permissions import STAFF_ROLES
from geo.models import Area, Category, Site

RESIDENT = Grant("resident", "own")


def in_force(day: date) -> tuple[ColumnElement[bool], ...]:
    """Conditions on RoleGrant: it counts on ``day``."""
    return (
        RoleGrant.revoked_at.is_(None),
        or_(RoleGrant.ends_on.is_(None), RoleGrant.ends_on >= day),
    )


async def grants_of(session: AsyncSession, *, account: Account, now: datetime) -> tuple[Grant, ...]:
    """What ``account`` may act as: every resident as a resident, whoever else as they were granted.

    A staff account that is locked or erased holds nothing.
    """
    if account.state != "active":
        return ()
    # role_grant_account_id_role_scope_scope_id_key
    rows = await session.execute(
        select(RoleGrant.role, RoleGrant.scope, RoleGrant.scope_id)
        .where(RoleGrant.account_id == account.id, *in_force(local_date(now)))
        .order_by(RoleGrant.id)
    )
    given = tuple(
        Grant(cast(Role, row.role), cast(ScopeKind, row.scope), row.scope_id)
        for row in rows
        if (row.role in STAFF_ROLES) == (account.kind == "staff")
    )
    return (RESIDENT, *given) if account.kind == "resident" else given


async def list_grants(session: AsyncSession, *, account_id: UUID, now: datetime) -> Sequence[Any]:
    """Grants in force: id, role, scope, scope_id, place (the name of the site, area or category), granted_at, ends_on,
    reason; the oldest first, in one query.
    """
    return (
        await session.execute(
            select(
                RoleGrant.id,
                RoleGrant.role,
                RoleGrant.scope,
                RoleGrant.scope_id,
                func.coalesce(Site.name, Area.name, Category.label_zh).label("place"),
                RoleGrant.granted_at,
                RoleGrant.ends_on,
                RoleGrant.reason,
            )
            .outerjoin(Site, Site.id == _id_of("site"))
            .outerjoin(Area, Area.id == _id_of("township"))
            .outerjoin(Category, and_(RoleGrant.scope == "category", Category.code == RoleGrant.scope_id))
            .where(RoleGrant.account_id == account_id, *in_force(local_date(now)))
            .order_by(RoleGrant.id)
        )
    ).all()


def _id_of(scope: ScopeKind) -> ColumnElement[Any]:
    """The id that a grant within ``scope`` names; null for grants within others, whose ids are of other kinds."""
    is_one = and_(
        RoleGrant.scope == scope,
        RoleGrant.scope_id.regexp_match("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    )
    return case((is_one, sql_cast(RoleGrant.scope_id, Uuid)))
