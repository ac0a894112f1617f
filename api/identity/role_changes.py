"""Giving and taking roles: the security administrator's, never to themselves, on record, and in force within seconds."""

from datetime import date, datetime, timedelta
from uuid import UUID

from psycopg import errors as pg
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import RoleGrant
from api.identity.sessions import recall_tokens
from api.identity.staff_errors import GrantHeld, GrantNotFound, InvalidGrant, OwnAccount, RolesSeparated
from booking.people.dates import local_date
from booking.people.models import Account
from core.actor import Actor, Role, ScopeKind
from core.audit import record
from core.permissions import SCOPES, STAFF_ROLES, require
from geo.models import Area, Category, Site

# No request takes longer: tokens that others issue while a role changes are called in with the older ones.
LONGEST_REQUEST = timedelta(seconds=10)
# Every grant stands in the access token, which proxies and ``tokens.LONGEST_TOKEN`` take no longer than some kilobytes.
MOST_GRANTS = 50


async def give_role(
    session: AsyncSession,
    actor: Actor,
    *,
    account: Account,
    role: Role,
    scope: ScopeKind,
    scope_id: str | None,
    ends_on: date | None,
    reason: str,
    now: datetime,
) -> RoleGrant:
    """Give ``account`` a role within a scope, through the day ``ends_on``; its tokens are renewed within seconds.

    Raises OwnAccount, InvalidGrant, RolesSeparated, GrantHeld.
    """
    require(actor, "grant.manage")
    _refuse_own(actor, account.id)
    _check_role(account, role, scope, scope_id)
    if ends_on is not None and ends_on < local_date(now):
        raise InvalidGrant("结束日期已过，请改为今天或以后。", "The last day is past; give today or later.")
    if scope_id is not None:
        scope_id = await _known(session, scope, scope_id)
    await _lock(session, account.id)
    await _close_ended(session, account.id, now)
    if await _count(session, account.id) >= MOST_GRANTS:
        raise InvalidGrant(
            f"一个账号最多 {MOST_GRANTS} 项授权，请改用更大的范围。",
            f"An account holds {MOST_GRANTS} grants at most; give a wider scope instead.",
        )
    grant = RoleGrant(
        account_id=account.id,
        role=role,
        scope=scope,
        scope_id=scope_id,
        granted_by=actor.name,
        granted_at=now,
        ends_on=ends_on,
        reason=reason,
    )
    try:
        async with session.begin_nested():
            session.add(grant)
    except IntegrityError as error:
        raise _held(error) from error
    await recall_tokens(session, account_id=account.id, now=now + LONGEST_REQUEST)
    await record(
        session,
        actor,
        action="grant.manage",
        object_kind="account",
        object_id=account.id,
        reason=reason,
        detail={
            "given": [role, scope, scope_id],
            "grant": str(grant.id),
            "ends_on": ends_on and str(ends_on),
        },
        now=now,
    )
    return grant


async def take_role(
    session: AsyncSession, actor: Actor, *, account_id: UUID, grant_id: UUID, reason: str, now: datetime
) -> None:
    """Take a role back. Raises OwnAccount, GrantNotFound."""
    require(actor, "grant.manage")
    _refuse_own(actor, account_id)
    await _lock(session, account_id)
    taken = await session.execute(
        update(RoleGrant)
        .where(RoleGrant.id == grant_id, RoleGrant.account_id == account_id, RoleGrant.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=actor.name)
        .returning(RoleGrant.role, RoleGrant.scope, RoleGrant.scope_id)
    )
    row = taken.one_or_none()
    if row is None:
        raise GrantNotFound(
            "该账号没有这项授权，或已被收回。", "The account has no such grant, or it was taken back."
        )
    await recall_tokens(session, account_id=account_id, now=now + LONGEST_REQUEST)
    await record(
        session,
        actor,
        action="grant.manage",
        object_kind="account",
        object_id=account_id,
        reason=reason,
        detail={"taken": list(row), "grant": str(grant_id)},
        now=now,
    )


def _refuse_own(actor: Actor, account_id: UUID) -> None:
    if actor.account_id == account_id:
        raise OwnAccount(
            "不能更改自己的权限，请由另一位安全管理员办理。",
            "You cannot change your own rights; ask another security administrator.",
        )


async def _lock(session: AsyncSession, account_id: UUID) -> None:
    """Wait for sign-ins under way, which hold the account for share: their sessions are then called in too."""
    await session.execute(select(Account.id).where(Account.id == account_id).with_for_update())


def _check_role(account: Account, role: Role, scope: ScopeKind, scope_id: str | None) -> None:
    if (role in STAFF_ROLES) != (account.kind == "staff") or role == "resident":
        raise InvalidGrant("该账号不能担任这个角色。", "An account of this kind cannot hold this role.")
    if scope not in SCOPES[role]:
        possible = "、".join(SCOPES[role])
        raise InvalidGrant(
            f"该角色的范围应为：{possible}。", f"This role is given within: {', '.join(SCOPES[role])}."
        )
    if (scope_id is None) != (scope in ("own", "district")):
        raise InvalidGrant(
            "site、township、category 需要填写 scope_id，own、district 不填。",
            "site, township and category need a scope_id; own and district have none.",
        )


async def _known(session: AsyncSession, scope: ScopeKind, scope_id: str) -> str:
    """``scope_id`` as it is kept. Raises InvalidGrant when there is no such site, area or category."""
    if scope == "category":
        found: UUID | str | None = await session.scalar(
            select(Category.code).where(Category.code == scope_id)
        )
    else:
        model = Site if scope == "site" else Area
        try:
            found = await session.scalar(select(model.id).where(model.id == UUID(scope_id)))
        except ValueError:
            found = None
    if found is None:
        raise InvalidGrant(
            "没有这个服务点、区域或类别，请检查 scope_id。",
            "There is no such site, area or category; check scope_id.",
        )
    return str(found)


async def _close_ended(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Grants whose last day is past no longer stand in the way of new ones."""
    await session.execute(
        update(RoleGrant)
        .where(
            RoleGrant.account_id == account_id,
            RoleGrant.revoked_at.is_(None),
            RoleGrant.ends_on < local_date(now),
        )
        .values(revoked_at=now, revoked_by="system")
    )


async def _count(session: AsyncSession, account_id: UUID) -> int:
    """Grants in force. Uses role_grant_account_id_role_scope_scope_id_key."""
    found = await session.scalar(
        select(func.count())
        .select_from(RoleGrant)
        .where(RoleGrant.account_id == account_id, RoleGrant.revoked_at.is_(None))
    )
    return found or 0


def _held(error: IntegrityError) -> Exception:
    """What a broken index of role_grant means."""
    cause = error.orig
    name = cause.diag.constraint_name if isinstance(cause, pg.UniqueViolation) else None
    if name == "role_grant_separated_key":
        return RolesSeparated(
            "系统、安全、审计三个管理员角色须由不同的人担任，请先收回原有角色。",
            "System, security and audit administration belong to different people; take the other role back first.",
        )
    if name == "role_grant_account_id_role_scope_scope_id_key":
        return GrantHeld("该账号已有此角色和范围，无需重复授予。", "The account already has this role there.")
    return error
