"""``xinban``: everything that is started or done from a command line."""

import asyncio
import importlib
import os
import signal
import sys
from importlib.metadata import entry_points
from typing import Annotated

import psycopg
import sqlalchemy.exc
import typer
from pydantic import ValidationError

from api.migrate import check_migrations, migrate, new_revision
from api.roles import RoleError
from core.keyring import KeyRingError, load_key_ring
from core.logs import configure_logs
from core.settings import Settings

app = typer.Typer(
    name="xinban",
    help="心办 Xinban：区域公共服务后台 / backend of a district's public services.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="地址 / address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="XINBAN_PORT", help="端口 / port")] = 8000,
    workers: Annotated[int, typer.Option(help="进程数 / processes", min=1, max=64)] = 1,
) -> None:
    """启动接口服务。Serve the API."""
    import tempfile

    import uvicorn

    settings = Settings()
    load_key_ring(settings)  # said here, before a server starts that could not
    configure_logs(settings.log_level)
    # uvicorn repeats the signal once it has shut down: told to stop and stopped in good order is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="xinban-metrics-") as metrics:
        if workers > 1:
            # Read by the processes uvicorn starts: how many there are, and where they add their metrics up.
            os.environ["XINBAN_PROCESSES"] = str(workers)
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        uvicorn.run(
            "api.cli.serving:make_app",
            factory=True,
            host=host,
            port=port,
            workers=workers if workers > 1 else None,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=True,
            timeout_graceful_shutdown=20,
            timeout_keep_alive=30,
        )


@app.command()
def worker() -> None:
    """启动后台任务。Do jobs until told to stop."""
    from api.worker import work

    settings = Settings()
    load_key_ring(settings)
    configure_logs(settings.log_level)
    asyncio.run(work(settings))


@app.command("migrate")
def migrate_(
    check: Annotated[
        bool, typer.Option("--check", help="迁移后再比较 / then compare models and tables")
    ] = False,
    new: Annotated[
        str | None, typer.Option(help="写一个新的迁移 / write a migration with this title")
    ] = None,
) -> None:
    """建立或升级数据表。Create or upgrade the tables; safe to repeat."""
    settings = Settings()
    url = settings.owner_database_url or settings.database_url
    if new is not None:
        new_revision(url, new)
        return
    migrate(url, application_url=settings.database_url if settings.owner_database_url else None)
    if check:
        check_migrations(url)


@app.command()
def openapi() -> None:
    """打印 OpenAPI 文档。Print the OpenAPI document."""
    import orjson

    from api.app import create_app

    print(orjson.dumps(create_app(Settings()).openapi(), option=orjson.OPT_INDENT_2).decode())


def _add_commands(wanted: str | None) -> None:
    """Add the commands that bring large libraries with them: the one ``wanted``, or all of them for the help page.

    Packages above this one add theirs through the entry-point group ``xinban.commands``.
    """
    modules = {
        "import": "imports:import_",
        "export": "exports:export",
        "permissions": "permissions:permissions",
        "token": "tokens:token",
    }
    groups = {
        "admin": "api.cli.admin:app",
        "audit": "api.cli.audits:app",
        "booking": "api.cli.booking_checks:app",  # and what api.cli.bookings adds to it
        "privacy": "api.cli.privacy:app",
        "calendar": "api.cli.calendars:app",
        "keys": "api.cli.keys:app",
    }
    groups |= {entry.name: entry.value for entry in entry_points(group="xinban.commands")}
    chosen = {wanted} if wanted in modules.keys() | groups.keys() | {"serve", "worker", "migrate"} else None
    for name, value in modules.items():
        if chosen is None or name in chosen:
            module, _, function = value.partition(":")
            app.command(name)(getattr(importlib.import_module(f"api.cli.{module}"), function))
    for name, value in groups.items():
        if chosen is None or name in chosen:
            module, _, attribute = value.partition(":")
            app.add_typer(getattr(importlib.import_module(module), attribute), name=name)


def main() -> None:
    """Entry point."""
    _add_commands(next((word for word in sys.argv[1:] if not word.startswith("-")), None))
    try:
        app()
    except ValidationError as error:
        for one in error.errors():
            name = "XINBAN_" + "_".join(str(part) for part in one["loc"]).upper()
            print(f"设置有误 / wrong setting: {name}: {one['msg']}", file=sys.stderr)
        sys.exit(2)
    except RoleError as error:
        print(f"应用的数据库角色无法设置 / the application's database role: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyRingError as error:
        print(f"密钥不可用 / the keys cannot be used: {error}", file=sys.stderr)
        sys.exit(2)
    except (psycopg.OperationalError, sqlalchemy.exc.OperationalError) as error:
        reason = str(
            error.orig if isinstance(error, sqlalchemy.exc.OperationalError) else error
        ).splitlines()[0]
        print(
            "无法连接数据库，请检查 XINBAN_DATABASE_URL。\n"
            f"The database cannot be reached; check XINBAN_DATABASE_URL. ({reason})",
            file=sys.stderr,
        )
        sys.exit(1)
