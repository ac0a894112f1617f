"""The README's walk-through: people do their jobs and book a lunch with curl, word for word."""

import json
import re
import subprocess
import sys

import pytest

from tests.api.running import ROOT, XINBAN, environment, running, serving, xinban

SECTIONS = {"README.md": "## Five people", "README.zh-CN.md": "## 五个人"}
ADDRESS = "XINBAN=http://127.0.0.1:8000"
# In place of ./dev, which would work on the checkout's own servers.
DEV = """#!/bin/bash
command=$1
shift
case $command in
    xinban) exec {xinban} "$@" ;;
    logs) exec tail -n 50 {log} ;;
esac
"""


def commands(file: str) -> str:
    text = (ROOT / file).read_text()
    section = text[text.index(SECTIONS[file]) :]
    return "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL))


def test_both_languages_say_the_same():
    assert commands("README.md") == commands("README.zh-CN.md")


@pytest.mark.timeout(360)
def test_five_people_do_their_jobs_and_a_lunch_is_booked(tmp_path, own_city_url, redis_url):
    settings = {"env": "development", "database_url": own_city_url, "redis_url": redis_url}
    # The copied city was made for a day of its own; slots of the days ahead are there after `./dev up`, too.
    assert xinban("booking", "generate", **settings).returncode == 0
    log = tmp_path / "worker.log"
    with (
        serving(tmp_path / "api.log", fresh=True, **settings) as server,
        running(log, "worker", fresh=True, **settings),
    ):
        dev = tmp_path / "dev"
        dev.write_text(DEV.format(xinban=XINBAN[0], log=log))
        dev.chmod(0o755)
        script = commands("README.md")
        assert script.count(ADDRESS) == 1
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, f"XINBAN={server.url}")],
            cwd=tmp_path,
            env=environment(**settings) | {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        '"scopes":["book.meal","view"]',
        "谢谢，已经改好",
        "厨房检修",
        '"state":"published"',
        "whole",
        '"person.find"',
        '"kind":"reservation_confirmed"',
        "reminded: 1",
        '"kind":"reservation_reminder"',
        '"kind":"reservation_changed"',
        '"code":"slot-full"',
        '"position":1',
        '"kind":"waitlist_offer"',
        '"state":"accepted"',
        '"already":false',
        '"level":5',
    ):
        assert said in done.stdout, said
    lines = done.stdout.splitlines()
    inboxes = [json.loads(line) for line in lines if '"kind":"reservation_confirmed"' in line]
    told = {
        one["about_me"]
        for inbox in inboxes
        for one in inbox["items"]
        if one["kind"] == "reservation_confirmed"
    }
    assert told == {True, False}  # the mother, and her daughter
    assert any('"person.find"' in line and "site_staff" in line for line in lines)
    lunch = json.loads(lines[-1])
    assert [step["state"] for step in lunch["history"]] == ["confirmed", "confirmed", "checked_in"]
