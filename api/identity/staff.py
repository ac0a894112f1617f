"""Staff accounts: the system administrator makes, locks and unlocks them, and gives them no rights."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors as pg
from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.enrolments import new_enrolment
from api.identity.grants import in_force
from api.identity.models import RecoveryCode, RoleGrant, StaffAccount
from api.identity.sessions import end_all_sessions
from api.identity.staff_errors import (
    InvalidUsername,
    OwnAccount,
    ProtectedAccount,
    StaffNotFound,
    UsernameTaken,
)
from booking.people.dates import local_date
from booking.people.models import Account
from core.actor import Actor
from core.audit import record
from core.permissions import SEPARATED_ROLES, require

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}\Z")


@dataclass(frozen=True, slots=True)
class Created:
    """A new account, or one that begins again, and the token to enrol with, which is not kept."""

    staff_id: UUID
    username: str
    token: str


async def create_staff(
    session: AsyncSession, actor: Actor, *, username: str, office: str | None, now: datetime
) -> Created:
    """A staff account that holds no roles yet. Raises InvalidUsername, UsernameTaken."""
    require(actor, "staff.manage")
    if USERNAME.match(username) is None:
        raise InvalidUsername(
            "用户名由 2 到 40 个小写字母、数字、点、下划线或连字符组成，以字母或数字开头。",
            "A username is 2 to 40 lower-case letters, digits, dots, underscores or hyphens; letters or digits first.",
        )
    account = Account(kind="staff", assurance="none", created_at=now)
    session.add(account)
    await session.flush()
    staff = StaffAccount(
        id=account.id, username=username, office=office, created_by=actor.name, created_at=now
    )
    try:
        async with session.begin_nested():
            session.add(staff)
    except IntegrityError as error:
        if isinstance(error.orig, pg.UniqueViolation):
            raise UsernameTaken("请换一个用户名。", "Choose another username.") from error
        raise
    token = await new_enrolment(session, actor, staff_id=staff.id, now=now)
    await _record(session, actor, staff.id, {"created": True}, None, now)
    return Created(staff.id, username, token)


async def get_staff(session: AsyncSession, actor: Actor, *, staff_id: UUID) -> tuple[StaffAccount, Account]:
    """An account by id. Raises StaffNotFound."""
    found = (
        await session.execute(
            select(StaffAccount, Account)
            .join(Account, Account.id == StaffAccount.id)
            .where(StaffAccount.id == staff_id)
        )
    ).one_or_none()
    if found is None:
        raise StaffNotFound("请检查账号编号。", "Check the account's id.")
    staff, account = found
    return staff, account


async def find_by_username(session: AsyncSession, *, username: str) -> StaffAccount | None:
    """An account by name (staff_account_username_key)."""
    found: StaffAccount | None = await session.scalar(
        select(StaffAccount).where(StaffAccount.username == username)
    )
    return found


def staff_query(*, now: datetime) -> Select[Any]:
    """Id, username, office, state, enrolled_at, created_at and roles in force, one row an account, by username."""
    roles = (
        select(func.coalesce(func.array_agg(func.distinct(RoleGrant.role)), []))
        .where(RoleGrant.account_id == StaffAccount.id, *in_force(local_date(now)))
        .scalar_subquery()
    )
    return (
        select(
            StaffAccount.id,
            StaffAccount.username,
            StaffAccount.office,
            Account.state,
            StaffAccount.enrolled_at,
            StaffAccount.created_at,
            roles.label("roles"),
        )
        .join(Account, Account.id == StaffAccount.id)
        .order_by(StaffAccount.username)
    )


async def list_staff(
    session: AsyncSession, actor: Actor, *, q: str | None, after: str | None, limit: int, now: datetime
) -> Sequence[Any]:
    """Up to ``limit`` accounts behind the username ``after``; ``q`` is part of a name."""
    require(actor, "staff.read")
    conditions: list[ColumnElement[bool]] = []
    if after is not None:
        conditions.append(StaffAccount.username > after)
    if q:
        conditions.append(
            or_(
                StaffAccount.username.contains(q, autoescape=True),
                StaffAccount.office.contains(q, autoescape=True),
            )
        )
    rows: Sequence[Any] = (await session.execute(staff_query(now=now).where(*conditions).limit(limit))).all()
    return rows


async def lock_staff(
    session: AsyncSession, actor: Actor, *, staff_id: UUID, reason: str, now: datetime
) -> None:
    """Nobody signs in with the account, and whoever is signed in is out within seconds. Raises StaffNotFound, OwnAccount."""
    require(actor, "staff.manage")
    _, account = await _locked(session, actor, staff_id)
    account.state = "locked"
    await end_all_sessions(session, account_id=staff_id, reason="locked", now=now)
    await _record(session, actor, staff_id, {"locked": True}, reason, now)


async def unlock_staff(
    session: AsyncSession, actor: Actor, *, staff_id: UUID, reason: str, now: datetime
) -> None:
    """The account may be signed in with again. Raises StaffNotFound, OwnAccount."""
    require(actor, "staff.manage")
    _, account = await _locked(session, actor, staff_id)
    account.state = "active"
    await _record(session, actor, staff_id, {"locked": False}, reason, now)


async def reset_second_factor(
    session: AsyncSession, actor: Actor, *, staff_id: UUID, reason: str, now: datetime
) -> Created:
    """Password and second factor are void, sessions end, and a new link enrols.

    Whoever hands the link over could use it: for the three administrators it is made on the server only, or the system
    administrator could become each of them. Raises StaffNotFound, OwnAccount, ProtectedAccount.
    """
    require(actor, "staff.manage")
    staff, _ = await _locked(session, actor, staff_id)
    if not actor.is_system and await _is_administrator(session, staff_id, now):
        raise ProtectedAccount(
            f"请在服务器上运行 xinban admin reset {staff.username}。",
            f"Run `xinban admin reset {staff.username}` on the server.",
        )
    staff.enrolled_at = staff.password_hash = staff.totp_secret = None
    await session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    await end_all_sessions(session, account_id=staff_id, reason="ended", now=now)
    token = await new_enrolment(session, actor, staff_id=staff_id, now=now)
    await _record(session, actor, staff_id, {"second_factor_reset": True}, reason, now)
    return Created(staff_id, staff.username, token)


async def _locked(session: AsyncSession, actor: Actor, staff_id: UUID) -> tuple[StaffAccount, Account]:
    """The account, once sign-ins under way are done; the sessions they open are then there to be ended."""
    if actor.account_id == staff_id:
        raise OwnAccount("请由另一位系统管理员办理。", "Ask another system administrator.")
    staff, account = await get_staff(session, actor, staff_id=staff_id)
    await session.refresh(account, with_for_update=True)
    await session.refresh(staff)
    return staff, account


async def _is_administrator(session: AsyncSession, staff_id: UUID, now: datetime) -> bool:
    held = await session.scalar(
        select(RoleGrant.id)
        .where(
            RoleGrant.account_id == staff_id,
            RoleGrant.role.in_(SEPARATED_ROLES),
            *in_force(local_date(now)),
        )
        .limit(1)
    )
    return held is not None


async def _record(
    session: AsyncSession,
    actor: Actor,
    staff_id: UUID,
    detail: dict[str, Any],
    reason: str | None,
    now: datetime,
) -> None:
    await record(
        session,
        actor,
        action="staff.manage",
        object_kind="account",
        object_id=staff_id,
        reason=reason,
        detail=detail,
        now=now,
    )
