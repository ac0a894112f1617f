"""``xinban admin``: the first of each administrator, and what only the server's operator may do."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from api.cli.person import acting_operator
from api.identity.enrolments import GOOD_FOR, begin_enrolment, finish_enrolment
from api.identity.models import StaffAccount
from api.identity.role_changes import give_role
from api.identity.staff import (
    Created,
    create_staff,
    find_by_username,
    get_staff,
    lock_staff,
    reset_second_factor,
    staff_query,
    unlock_staff,
)
from api.identity.staff_errors import StaffNotFound
from core import clock
from core.actor import Role
from core.database import Database
from core.errors import DomainError
from core.keyring import load_key_ring
from core.permissions import ROLE_NAMES, SEPARATED_ROLES
from core.settings import Settings

app = typer.Typer(
    help="管理员账号 / accounts of administrators.", no_args_is_help=True, pretty_exceptions_enable=False
)
out = Console()
err = Console(stderr=True)
FAILED, WRONG_USE = 1, 2  # exit codes

Result = TypeVar("Result")
Username = Annotated[
    str, typer.Argument(help="小写字母、数字、点、连字符 / lower-case letters, digits, dots and hyphens")
]
Link = Annotated[
    bool,
    typer.Option(
        "--link", help="只给出一次性口令，不在此设置 / print a one-time token instead of asking here"
    ),
]
Why = Annotated[str, typer.Option("--reason", help="原因，记入审计 / why; it goes on record")]


@app.command()
def create(
    username: Username,
    role: Annotated[
        str,
        typer.Option(
            help="system_admin、security_admin 或 auditor，由不同的人担任 / held by different people"
        ),
    ] = "system_admin",
    office: Annotated[str | None, typer.Option(help="单位 / where they work")] = None,
    link: Link = False,
) -> None:
    """新建管理员账号。Make an administrator's account: password and second factor are set here, or with a token."""
    if role not in SEPARATED_ROLES:
        _fail(
            f"角色应为 {'、'.join(sorted(SEPARATED_ROLES))}；其他角色由安全管理员授予",
            f"the role is one of {', '.join(sorted(SEPARATED_ROLES))}; others are given by the security administrator",
            WRONG_USE,
        )
    chosen: Role = role

    async def make(session: AsyncSession) -> Created:
        now = clock.now()
        created = await create_staff(session, acting_operator(), username=username, office=office, now=now)
        _, account = await get_staff(session, acting_operator(), staff_id=created.staff_id)
        await give_role(
            session,
            acting_operator(),
            account=account,
            role=chosen,
            scope="district",
            scope_id=None,
            ends_on=None,
            reason="xinban admin create",
            now=now,
        )
        return created

    created = _run(make)
    _say(f"已新建 {username}（{ROLE_NAMES[chosen]}）/ made {username} ({role}).")
    _enrol(created, link)


@app.command()
def reset(username: Username, reason: Why, link: Link = False) -> None:
    """重置密码与第二因素。Void password and second factor, end all sessions, and enrol again."""

    async def void(session: AsyncSession) -> Created:
        staff_id = (await _get(session, username)).id
        return await reset_second_factor(
            session, acting_operator(), staff_id=staff_id, reason=reason, now=clock.now()
        )

    _enrol(_run(void), link)


@app.command()
def lock(username: Username, reason: Why) -> None:
    """锁定账号。Lock an account; it is signed out within seconds."""

    async def do(session: AsyncSession) -> None:
        staff_id = (await _get(session, username)).id
        await lock_staff(session, acting_operator(), staff_id=staff_id, reason=reason, now=clock.now())

    _run(do)
    _say(f"已锁定 {username} / locked {username}.")


@app.command()
def unlock(username: Username, reason: Why) -> None:
    """解锁账号。Unlock an account."""

    async def do(session: AsyncSession) -> None:
        staff_id = (await _get(session, username)).id
        await unlock_staff(session, acting_operator(), staff_id=staff_id, reason=reason, now=clock.now())

    _run(do)
    _say(f"已解锁 {username} / unlocked {username}.")


@app.command("list")
def list_() -> None:
    """列出工作人员账号。List staff accounts."""

    async def read(session: AsyncSession) -> None:
        table = Table("用户名 username", "单位 office", "状态 state", "已启用 enrolled", "角色 roles")
        for row in await session.execute(staff_query(now=clock.now())):
            enrolled = "" if row.enrolled_at is None else f"{row.enrolled_at:%Y-%m-%d}"
            table.add_row(row.username, Text(row.office or ""), row.state, enrolled, " ".join(row.roles))
        out.print(table)

    _run(read)


def _enrol(created: Created, link: bool) -> None:
    """Set password and second factor at the terminal, or say how it is done with the token."""
    if link or not sys.stdin.isatty():
        days = GOOD_FOR.days
        _say(
            f"一次性口令（{days} 天内有效，请当面交给本人）/ one-time token, good for {days} days; hand it over in person:"
        )
        print(created.token)
        _say('1. POST /v1/auth/enrolments          {"token": …, "password": …}  →  uri, secret')
        _say('2. POST /v1/auth/enrolments/confirm  {"token": …, "code": …}      →  recovery codes')
        return
    import segno

    async def begin(database: Database, session: AsyncSession) -> str:
        begun = await begin_enrolment(
            database, session, ring, token=created.token, password=password, now=clock.now()
        )
        return begun.uri

    async def finish(session: AsyncSession) -> list[str]:
        finished = await finish_enrolment(session, ring, token=created.token, code=code, now=clock.now())
        return finished.recovery_codes

    ring = load_key_ring(Settings())
    while True:
        password = typer.prompt("密码（至少 12 个字符）/ password", hide_input=True, confirmation_prompt=True)
        try:
            uri = asyncio.run(_transact(begin))
            break
        except DomainError as error:
            _explain(error)
    segno.make(uri).terminal(compact=True)
    _say(f"用验证器应用扫描，或输入 / scan it with an authenticator app, or type: {uri}")
    while True:
        code = typer.prompt("应用显示的 6 位数字 / the 6 digits it shows")
        try:
            codes = asyncio.run(_transact(lambda _, session: finish(session)))
            break
        except DomainError as error:
            _explain(error)
    _say(
        "恢复码，每个只能用一次，请打印后锁好 / recovery codes, each good once; print them and lock them away:"
    )
    print("\n".join(codes))


async def _get(session: AsyncSession, username: str) -> StaffAccount:
    staff = await find_by_username(session, username=username)
    if staff is None:
        raise StaffNotFound(f"没有账号 {username}。", f"There is no account {username}.")
    return staff


def _run(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    """``work`` in a transaction of its own; what is refused is said."""
    try:
        return asyncio.run(_transact(lambda _, session: work(session)))
    except DomainError as error:
        _explain(error)
        raise typer.Exit(FAILED) from error


async def _transact(work: Callable[[Database, AsyncSession], Awaitable[Result]]) -> Result:
    async with Database(Settings()) as database, database.transaction() as session:
        return await work(database, session)


def _explain(error: DomainError) -> None:
    err.print(Text(error.detail_zh or error.title_zh, style="bold red"))
    err.print(Text(error.detail_en or error.title_en(), style="red"))


def _say(text: str) -> None:
    err.print(Text(text), soft_wrap=True)


def _fail(zh: str, en: str, status: int = FAILED) -> NoReturn:
    err.print(Text(zh, style="bold red"))
    err.print(Text(en, style="red"))
    raise typer.Exit(status)
