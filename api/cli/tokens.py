"""``xinban token``: an access token for trying the API in one line, in development only.

``TOKEN=$(xinban token --phone 13800000001)``, then ``curl -H "Authorization: Bearer $TOKEN" …``.
"""

import asyncio
import contextlib
import sys
from datetime import datetime
from typing import Annotated, NoReturn, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from api.cli.person import acting_operator
from api.identity.accounts import account_by_phone, raise_assurance
from api.identity.role_changes import give_role
from api.identity.sessions import open_session
from api.identity.staff import create_staff, find_by_username
from api.identity.staff_errors import GrantHeld
from api.identity.tokens import AccessTokens
from booking.people.models import Account
from booking.people.phones import normalise_phone
from core import clock
from core.actor import Actor, Grant, Role
from core.database import Database
from core.errors import DomainError, Invalid
from core.keyring import KeyRing, load_key_ring
from core.permissions import SCOPES, STAFF_ROLES
from core.settings import Settings
from geo.areas import get_area

REFUSED, WRONG_USE = 1, 2  # exit codes
DEVICE = "xinban token"
FORMS = {"site": "site:ID", "township": "township:CODE", "category": "category:CODE"}


class WrongScope(Invalid):
    """This role is not given there."""

    code = "wrong-scope"
    title_zh = "范围不对"


def token(
    phone: Annotated[
        str | None, typer.Option(help="居民的手机号，没有账户就新建 / a resident's phone; an account is made")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help=f"角色 / one of: {', '.join(SCOPES)}", metavar="ROLE")
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            help="范围 / district, site:ID, township:CODE or category:CODE; default district or own"
        ),
    ] = None,
    real_name: Annotated[
        bool, typer.Option("--real-name", help="已实名 / as somebody whose name was verified")
    ] = False,
) -> None:
    """开发环境中打印一个访问凭证。Print an access token, in development only."""
    settings = Settings()
    if settings.env != "development":
        _refuse(
            "仅限开发环境：请设置 XINBAN_ENV=development，或用 ./dev xinban token。",
            "Only in development: set XINBAN_ENV=development, or use ./dev xinban token.",
            REFUSED,
        )
    if phone is None and role is None:
        _refuse(
            "请给出 --phone（居民），或 --role 和可选的 --scope（工作人员）。",
            "Give --phone for a resident, or --role and, if need be, --scope for staff.",
            WRONG_USE,
        )
    try:
        print(asyncio.run(_token(settings, phone, role, scope, real_name=real_name)))
    except DomainError as error:
        _refuse(error.detail_zh, error.detail_en, WRONG_USE)


async def _token(
    settings: Settings, phone: str | None, role: str | None, scope: str | None, *, real_name: bool
) -> str:
    ring, now, actor = load_key_ring(settings), clock.now(), acting_operator()
    async with Database(settings) as database, database.transaction() as session:
        wanted = None
        if role is not None:
            wanted = await _grant(session, actor, role, scope, zone=settings.zone, now=now)
        account = await _account(session, actor, ring, phone, wanted, now=now)
        if wanted is not None and wanted.role != "resident":
            await _give(session, actor, account, wanted, now=now)
        if real_name:
            await raise_assurance(session, account=account, to="real_name", now=now)
        tokens = AccessTokens(ring, environment=settings.env)
        issued = await open_session(
            session, tokens, ring=ring, account=account, channel="web", device=DEVICE, now=now
        )
    return issued.access_token


async def _grant(
    session: AsyncSession, actor: Actor, role: str, scope: str | None, *, zone: str, now: datetime
) -> Grant:
    """The role within the scope that was asked for. Raises WrongScope, UnknownArea."""
    if role not in SCOPES:
        raise WrongScope(
            f"没有角色 {role}。可用：{', '.join(SCOPES)}。",
            f"No role {role}. There are: {', '.join(SCOPES)}.",
        )
    known = cast(Role, role)
    possible = SCOPES[known]
    kind, _, said = (scope or ("own" if "own" in possible else "district")).partition(":")
    if kind not in possible or (kind in FORMS) != bool(said):
        listed = ", ".join(FORMS.get(one, one) for one in possible)
        raise WrongScope(
            f"{role} 的范围可以是：{listed}，请用 --scope 给出。",
            f"{role} is given within {listed}: say which with --scope.",
        )
    if kind == "township" and not _is_id(said):
        today = now.astimezone(ZoneInfo(zone)).date()
        said = str((await get_area(session, actor, code=said, on=today)).id)
    return Grant(known, kind, said or None)


async def _account(
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    phone: str | None,
    wanted: Grant | None,
    *,
    now: datetime,
) -> Account:
    """The resident with this phone, or a member of staff who has this role and nothing else; the same each time."""
    is_staff = wanted is not None and wanted.role in STAFF_ROLES
    if is_staff == (phone is not None):
        raise WrongScope(
            "工作人员的角色不带 --phone，其他角色要带。", "Roles of staff go without --phone, others with it."
        )
    if phone is not None:
        account = await account_by_phone(session, ring, phone=normalise_phone(phone), now=now)
        if account is None:
            raise WrongScope("该手机号的账户已锁定。", "The phone's account is locked.")
        return account
    assert wanted is not None
    suffix = [wanted.scope_id[-12:].lower()] if wanted.scope_id else []
    username = "-".join(["try", wanted.role.replace("_", "-"), wanted.scope, *suffix])
    staff = await find_by_username(session, username=username)
    staff_id = staff.id if staff is not None else None
    if staff_id is None:
        made = await create_staff(session, actor, username=username, office=DEVICE, now=now)
        staff_id = made.staff_id
    return await session.get_one(Account, staff_id)


async def _give(
    session: AsyncSession, actor: Actor, account: Account, wanted: Grant, *, now: datetime
) -> None:
    """Give the role, unless the account has it."""
    with contextlib.suppress(GrantHeld):
        await give_role(
            session,
            actor,
            account=account,
            role=wanted.role,
            scope=wanted.scope,
            scope_id=wanted.scope_id,
            ends_on=None,
            reason=DEVICE,
            now=now,
        )


def _is_id(said: str) -> bool:
    try:
        UUID(said)
    except ValueError:
        return False
    return True


def _refuse(zh: str, en: str, status: int) -> NoReturn:
    print(f"{zh}\n{en}", file=sys.stderr)
    raise typer.Exit(status)
