"""``xinban audit``: seal, check and purge the audit record. docs/security.md tells an operator when to do what."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, NoReturn

import typer
from psycopg.errors import InsufficientPrivilege
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from sqlalchemy import func, select
from sqlalchemy.exc import ProgrammingError

from api.cli.person import acting_operator
from core import clock
from core.audit import AuditSeal
from core.audit.checking import Checked, check
from core.audit.purging import purge_before
from core.audit.sealing import seal_all
from core.database import Database
from core.keyring import KeyRing, load_key_ring
from core.settings import Settings

app = typer.Typer(
    help="审计记录：封存、核对、到期清除 / the audit record: seal, check, purge what is old.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
err = Console(stderr=True)
FAILED, WRONG_USE = 1, 2  # exit codes


@app.command()
def seal() -> None:
    """立即封存（后台每分钟自动进行）。Seal what was recorded; the worker does it every minute."""
    settings = Settings()
    ring = load_key_ring(settings)

    async def run() -> AuditSeal | None:
        async with Database(settings) as database:
            return await seal_all(database, ring, now=clock.now())

    made = asyncio.run(run())
    if made is None:
        print("没有待封存的记录 / nothing to seal")
    else:
        print(f"链头 head: {made.number}:{made.digest.hex()}")


@app.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(
            help="以前记下的链头，核对其后未被截去 / a head noted earlier must still be in the chain"
        ),
    ] = None,
) -> None:
    """核对记录未被删除、改动、添加或调换。Find entries and seals that were removed, altered, added or reordered."""
    settings = Settings()
    ring = load_key_ring(settings)
    found = asyncio.run(_check(settings, ring, head))
    purged = (
        f"，其中 1–{found.purged_through} 号的记录已到期清除" if found.purged_through else "",
        f"; entries of 1–{found.purged_through} were purged in due time" if found.purged_through else "",
    )
    print(f"封存 {found.seals}，记录 {found.entries}，待封存 {found.pending}{purged[0]}")
    print(f"{found.seals} seals, {found.entries} entries, {found.pending} not sealed yet{purged[1]}")
    for key_id, number in found.unknown_keys.items():
        err.print(
            Text(
                f"{number} 个封存的密钥 {key_id} 不在环中，只核对了链 / {number} seals were made with key {key_id}, which the ring has not: only their chain was checked",
                "yellow",
            )
        )
    for zh, en in found.findings:
        err.print(Text(f"✗ {zh} / {en}", "red"), soft_wrap=True)
    if found.findings:
        raise typer.Exit(FAILED)
    print("完好 / whole")
    if found.head is not None:
        print(f"链头 head: {found.head}")
        print(
            "请抄存到本系统之外，下次用 --head 核对 / note it outside this system; next time: --head",
            file=sys.stderr,
        )


@app.command()
def purge(
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="此日之前 / before this day; default: XINBAN_AUDIT_DAYS ago"),
    ] = None,
) -> None:
    """清除到期的记录，封存链保留；需要数据表所有者。Delete old entries, keep their seals; as the owner of the tables."""
    settings = Settings()
    now = clock.now()
    oldest_kept = now - timedelta(days=settings.audit_days)
    until = oldest_kept if before is None else before.replace(tzinfo=UTC)
    if until > oldest_kept:
        _fail(
            f"记录至少保存 {settings.audit_days} 天（XINBAN_AUDIT_DAYS），未清除",
            f"entries are kept for {settings.audit_days} days (XINBAN_AUDIT_DAYS); nothing was purged",
            WRONG_USE,
        )

    async def run() -> tuple[int, int | None]:
        as_owner = settings.model_copy(
            update={"database_url": settings.owner_database_url or settings.database_url}
        )
        async with Database(as_owner) as database, database.transaction() as session:
            return await purge_before(session, acting_operator(), before=until, now=now)

    try:
        removed, last = asyncio.run(run())
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        _fail(
            "只有数据表所有者可以清除，请设置 XINBAN_OWNER_DATABASE_URL",
            "only the owner of the tables can purge; set XINBAN_OWNER_DATABASE_URL",
            WRONG_USE,
        )
    if last is None:
        print(f"没有 {until:%Y-%m-%d} 之前的记录 / nothing before {until:%Y-%m-%d}")
    else:
        print(f"已清除 purged: {removed}（封存 seals … {last}）")


async def _check(settings: Settings, ring: KeyRing, head: str | None) -> Checked:
    async with Database(settings) as database:
        async with database.transaction() as session:
            total = await session.scalar(select(func.count()).select_from(AuditSeal))
        with Progress(
            TextColumn("核对 checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
        ) as bar:
            task = bar.add_task("", total=total)
            async with database.transaction() as session:
                return await check(
                    session, ring, head=head, progress=partial(bar.advance, task), now=clock.now()
                )


def _fail(zh: str, en: str, status: int = FAILED) -> NoReturn:
    err.print(Text(f"{zh} / {en}", "red"), soft_wrap=True)
    raise typer.Exit(status)
