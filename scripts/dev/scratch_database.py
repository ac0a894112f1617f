"""Make or drop a database beside the one XINBAN_DATABASE_URL names, for checks that need an empty one.

python scratch_database.py create        prints the URL of a new, empty database
python scratch_database.py drop URL      drops it
"""

import os
import re
import sys
import uuid
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

PREFIX = "xinban_scratch_"


def _with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    parts = urlsplit(
        url
    )  # its own geturl() would make postgresql:///x, which has no host, into postgresql:/x
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


def _run(statement: sql.Composed) -> None:
    url = re.sub(r"^postgres(ql)?\+\w+:", "postgresql:", os.environ["XINBAN_DATABASE_URL"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def create() -> str:
    """Create an empty database and return its URL."""
    name = PREFIX + uuid.uuid4().hex[:12]
    _run(sql.SQL("create database {}").format(sql.Identifier(name)))
    return _with_database(os.environ["XINBAN_DATABASE_URL"], name)


def drop(url: str) -> None:
    """Drop a database made by `create`; refuses any other name."""
    name = urlsplit(url).path.lstrip("/")
    if not name.startswith(PREFIX):
        raise SystemExit(f"{name} is not a scratch database; not dropped.")
    _run(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


if __name__ == "__main__":
    if sys.argv[1] == "create":
        sys.stdout.write(create() + "\n")
    else:
        drop(sys.argv[2])
