"""``xinban keys``: the keys of encrypted personal data. docs/security.md tells an operator when to do what."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from api.cli.person import acting_operator
from core import clock
from core.audit import record
from core.database import Database
from core.keyfile import add_key, create_key_file, new_key, put_key_first
from core.keyring import Key, KeyRing, KeyRingError, load_key_ring
from core.rotation import EncryptedColumn, Rotated, count_by_key, count_left, encrypted_columns, rotate
from core.settings import Settings

app = typer.Typer(
    help="个人数据的密钥 / keys of encrypted personal data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)
FAILED, WRONG_USE = 1, 2  # exit codes
SUITES = {"aes": "AES-256-GCM + HMAC-SHA256", "gm": "SM4-GCM + HMAC-SM3 (国密)"}

File = Annotated[Path | None, typer.Argument(help="密钥文件 / key file; default: XINBAN_KEYS_FILE")]
SuiteOption = Annotated[
    Literal["aes", "gm"] | None,
    typer.Option("--suite", help="aes: AES-256-GCM, HMAC-SHA256; gm: SM4-GCM, HMAC-SM3 (国密)"),
]


@app.command()
def create(
    file: File = None,
    suite: SuiteOption = "aes",
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="已有密钥则什么也不做 / do nothing when there are keys")
    ] = False,
) -> None:
    """新建密钥文件，绝不覆盖；没有文件名则打印。Make a key file, never over an old one; without a name, print a key."""
    settings = Settings()
    if if_missing and file is None and (settings.keys or settings.keys_command) and not settings.keys_file:
        return
    path = file or (Path(settings.keys_file) if settings.keys_file else None)
    if path is not None and path.exists() and if_missing:
        return
    key = new_key(suite or "aes", now=clock.now())
    if path is None:
        print(key.line())  # alone on standard output, for a program that keeps secrets
        _say("把这一行存入密钥管理系统，再由 XINBAN_KEYS 或 XINBAN_KEYS_COMMAND 提供。")
        _say(
            "Keep this line in your key management service; hand it on as XINBAN_KEYS or XINBAN_KEYS_COMMAND."
        )
        return
    try:
        create_key_file(path, key)
    except FileExistsError:
        if if_missing:
            return
        _fail(
            f"{path} 已存在，未改动；换密钥请用 xinban keys add",
            f"{path} exists and was left as it is; to change keys: xinban keys add",
        )
    except OSError as error:
        _fail(f"无法写入 {path}", f"cannot write {path}: {error.strerror}")
    _say(
        f"已生成密钥 {key.id}（{SUITES[key.suite]}）：{path}，权限 600。请另存一份，丢失后加密的数据无法恢复。"
    )
    _say(
        f"Made key {key.id} in {path} (mode 600). Keep a copy elsewhere: what it encrypts is lost without it."
    )
    if str(path) != settings.keys_file:
        _say(f"用 / use: XINBAN_KEYS_FILE={path.resolve()}")


@app.command()
def add(
    file: File = None,
    suite: SuiteOption = None,
    behind: Annotated[
        bool,
        typer.Option("--behind", help="先只用于解密 / only decrypts until `xinban keys use`"),
    ] = False,
) -> None:
    """加一把新的当前密钥。Add a new current key in front of the others, which stay for what they encrypted."""
    path = _key_file(file)
    try:
        key = add_key(path, suite, behind=behind, now=clock.now())
    except (OSError, KeyRingError) as error:
        _fail(f"未改动 {path}", f"{path} was left as it is: {error}")
    if behind:
        _say(f"已加入 {key.id}，只用于解密。重启所有进程后运行：xinban keys use {key.id}")
        _say(f"Added {key.id}, which only decrypts. Restart every process, then: xinban keys use {key.id}")
    else:
        _next_steps(key)


@app.command()
def use(
    key_id: Annotated[str, typer.Argument(help="密钥编号 / id, as `xinban keys list` shows it")],
    file: File = None,
) -> None:
    """把一把已有的密钥设为当前密钥。Make a key of the file the current one."""
    path = _key_file(file)
    try:
        key = put_key_first(path, key_id)
    except (OSError, KeyRingError) as error:
        _fail(f"未改动 {path}", f"{path} was left as it is: {error}")
    _next_steps(key)


@app.command("list")
def list_() -> None:
    """密钥，以及各自还加密着多少数据。The keys, and how many values each still encrypts."""
    settings = Settings()
    ring = load_key_ring(settings)
    columns = _columns()
    counts = asyncio.run(_count(settings, columns))
    missing = sorted({key_id for one in counts.values() for key_id in one} - ring.keys.keys())
    table = Table("字段 field", show_footer=True)
    table.columns[0].footer = "合计 total"
    for key_id in (*ring.keys, *missing):
        key = ring.keys.get(key_id)
        said = (
            "缺失 missing" if key is None else key.suite + (" ← 当前 current" if key is ring.current else "")
        )
        total = sum(one.get(key_id, 0) for one in counts.values())
        table.add_column(
            Text(f"{key_id}\n{said}", "red" if key is None else ""), _number(total), justify="right"
        )
    for name, found in counts.items():
        if found:
            table.add_row(name, *(_number(found.get(key_id, 0)) for key_id in (*ring.keys, *missing)))
    out.print(table)
    if missing:
        _fail(
            "有数据的密钥不在环中，这些数据无法读取",
            "values were made by keys that the ring has not, and cannot be read; add them behind",
        )
    for key in ring.keys.values():
        if key is not ring.current and not any(counts[one.name].get(key.id) for one in columns):
            _say(
                f"{key.id} 已不加密任何数据 / encrypts nothing any more (docs/security.md: when to remove it)"
            )


@app.command("rotate")
def rotate_() -> None:
    """用当前密钥重新加密；服务不停，可中断后再来。Re-encrypt everything under the current key, online; safe to repeat."""
    settings = Settings()
    ring = load_key_ring(settings)
    done = asyncio.run(_rotate(settings, ring))
    for one in done:
        for row_id, reason in one.refused.items():
            err.print(Text(f"{one.name} {row_id}: {reason}", "red"))
    print(f"已重新加密 re-encrypted: {sum(one.rows for one in done)}  →  {ring.current.id}")
    if held := sum(max(0, one.held) for one in done):
        _fail(f"{held} 行正被占用，请再运行一次", f"{held} rows are held by others; run it again")
    if any(one.refused for one in done):
        _fail("上面的数据未能重新加密", "the rows above could not be re-encrypted; keep the old keys")


async def _rotate(settings: Settings, ring: KeyRing) -> list[Rotated]:
    columns = _columns()
    async with Database(settings) as database:
        async with database.transaction() as session:
            left = [await count_left(session, ring, one) for one in columns]
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=err,
        ) as bar:
            task = bar.add_task("重新加密 re-encrypting", total=sum(left))
            advance = partial(bar.advance, task)
            done = [await rotate(database, ring, one, progress=advance) for one in columns]
        async with database.transaction() as session:
            await record(
                session,
                acting_operator(),
                action="keys.rotate",
                object_kind="key",
                object_id=ring.current.id,
                detail={one.name: one.rows for one in done if one.rows},
                now=clock.now(),
            )
    return done


class _Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", "dim")


async def _count(settings: Settings, columns: list[EncryptedColumn]) -> dict[str, dict[str, int]]:
    async with Database(settings) as database, database.transaction() as session:
        return {one.name: await count_by_key(session, one) for one in columns}


def _columns() -> list[EncryptedColumn]:
    from api.tables import METADATA

    return encrypted_columns(METADATA)


def _key_file(file: Path | None) -> Path:
    path = file or (Path(name) if (name := Settings().keys_file) else None)
    if path is None:
        _fail("请给出密钥文件", "name the key file, or set XINBAN_KEYS_FILE", WRONG_USE)
    return path


def _next_steps(key: Key) -> None:
    _say(f"当前密钥 / current key: {key.id} ({SUITES[key.suite]})")
    _say("1. 另存密钥文件 / keep a copy of the key file")
    _say("2. 重启所有进程 / restart every process (serve, worker)")
    _say("3. xinban keys rotate")


def _number(value: int) -> Text:
    return Text(f"{value:,}" if value else "·", justify="right")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _fail(zh: str, en: str, status: int = FAILED) -> NoReturn:
    err.print(Text(f"{zh} / {en}", "red"), soft_wrap=True)
    raise typer.Exit(status)
