"""The command line: what an operator types, and what it answers when something is wrong."""

import socket
from datetime import date, timedelta

import psycopg
import pytest

from seed.names import read_rows
from tests.api.running import xinban

NOWHERE = "postgresql://nobody@/nothing?host=/nowhere"


def test_help_lists_the_commands():
    done = xinban("--help", fresh=True)
    assert done.returncode == 0
    for command in ("serve", "worker", "migrate", "seed", "import", "export", "calendar", "openapi"):
        assert command in done.stdout


@pytest.mark.parametrize("command", [("migrate",), ("seed", "--if-empty")], ids=lambda words: words[0])
def test_a_database_that_is_away_is_one_sentence_not_a_traceback(command):
    done = xinban(*command, fresh=True, database_url=NOWHERE)
    assert done.returncode == 1
    assert "XINBAN_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrating_again_changes_nothing_and_the_check_finds_models_and_tables_alike(database_url):
    assert xinban("migrate", "--check", database_url=database_url).returncode == 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table site add column smuggled text")
    done = xinban("migrate", "--check", database_url=database_url)
    assert done.returncode != 0
    assert "smuggled" in done.stdout + done.stderr


def test_a_taken_port_is_said_and_is_no_success(city_url, redis_url):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = xinban("serve", "--port", port, database_url=city_url, redis_url=redis_url)
    assert done.returncode != 0
    assert "address already in use" in done.stderr


def test_a_calendar_is_imported_whole_or_not_at_all(database_url, tmp_path):
    special = {
        date.fromisoformat(row["on_date"]): f"{row['kind']},{row['name']}"
        for row in read_rows("geo", "cn_special_days.csv")
    }
    year = [date(2026, 1, 1) + timedelta(days=day) for day in range(365)]
    usual = {day: "workday," if day.weekday() < 5 else "restday," for day in year}
    lines = ["date,day_type,name", *(f"{day},{(usual | special)[day]}" for day in year)]
    good, bad = tmp_path / "2026.csv", tmp_path / "bad.csv"
    good.write_text("\n".join(lines))
    bad.write_text("\n".join([*lines[:3], "TBC,holiday,未定", *lines[3:]]))

    def days():
        with psycopg.connect(database_url) as connection:
            return connection.execute("select count(*) from calendar_day").fetchone()[0]

    refused = xinban("calendar", "import", str(bad), database_url=database_url)
    assert refused.returncode == 1
    assert "bad.csv:4" in refused.stderr
    assert days() == 0
    done = xinban("calendar", "import", str(good), database_url=database_url)
    assert done.returncode == 0, done.stderr
    assert days() > 25


def test_people_are_not_reminded_ahead_of_time_but_while_developing(database_url):
    asked = ("booking", "remind", "--at", "2026-11-25T09:00:00+0800")
    refused = xinban(*asked, database_url=database_url)
    assert (refused.returncode, "development" in refused.stderr) == (2, True), refused.stderr
    done = xinban(*asked, database_url=database_url, env="development")
    assert (done.returncode, done.stdout.strip()) == (0, "已提醒 reminded: 0"), done.stderr
