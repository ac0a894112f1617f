"""``xinban admin``: at a terminal it asks, in a script it hands out a token; passwords are never arguments."""

import contextlib
import fcntl
import os
import re
import subprocess
import termios
import time

import psycopg
import pyotp
import pytest

from tests.api.clerks import PASSWORD
from tests.api.running import ROOT, XINBAN, environment, xinban


def run(database_url, redis_url, *arguments):
    return xinban("admin", *arguments, database_url=database_url, redis_url=redis_url)


class Terminal:
    """A process with a terminal of its own, which is read and typed at."""

    def __init__(self, arguments, env):
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**env, "TERM": "dumb", "COLUMNS": "300"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = ""

    def until(self, pattern):
        """What matches, once it is there; what was shown before is not looked at again."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            match = re.search(pattern, self.seen, re.DOTALL)
            if match:
                self.seen = self.seen[match.end() :]
                return match[0]
            with contextlib.suppress(OSError):  # the other side has closed it
                part = os.read(self.master, 65536)
                self.seen += part.decode(errors="replace")
                continue
            break
        raise AssertionError(f"never shown: {pattern}: {self.seen}")

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")


def test_at_a_terminal_the_first_administrator_is_asked_for_a_password_and_shown_a_qr_code(
    database_url, redis_url
):
    env = environment(database_url=database_url, redis_url=redis_url)
    at = Terminal([*XINBAN, "admin", "create", "zhang"], env)
    at.until("password: ")
    at.type("short")
    at.until(": ")
    at.type("short")
    at.until("at least 12 characters")
    for _ in range(2):
        at.until(": ")
        at.type(PASSWORD)
    assert "█" in at.until(".*otpauth://")
    secret = re.search("secret=([A-Z2-7]+)", at.until("secret=[A-Z2-7]{32}"))[1]
    at.until("digits it shows: ")
    at.type("000000")
    at.until("clock is right")
    at.until("digits it shows: ")
    at.type(pyotp.TOTP(secret).now())
    codes = at.until(r"(?:\s+[a-z0-9]{4}(?:-[a-z0-9]{4}){3}){10}").split()
    assert len(codes) == 10
    assert at.process.wait(20) == 0
    os.close(at.master)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select username, enrolled_at is not null, role from staff_account s join role_grant g on g.account_id = s.id"
        ).fetchall()
    assert rows == [("zhang", True, "system_admin")]
    assert PASSWORD not in at.seen


def test_in_a_script_a_token_alone_is_printed_and_what_to_do_with_it_beside(database_url, redis_url):
    made = run(database_url, redis_url, "create", "li", "--role", "security_admin", "--office", "区政务中心")
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", made.stdout)
    assert "/v1/auth/enrolments" in made.stderr
    again = run(database_url, redis_url, "create", "li")
    assert again.returncode == 1
    assert "用户名" in again.stderr
    listed = run(database_url, redis_url, "list")
    assert "security_admin" in listed.stdout
    reset = run(database_url, redis_url, "reset", "li", "--reason", "phone lost")
    assert reset.returncode == 0
    assert reset.stdout != made.stdout
    assert run(database_url, redis_url, "lock", "li", "--reason", "left").returncode == 0
    assert run(database_url, redis_url, "unlock", "li", "--reason", "back").returncode == 0
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select detail, reason, actor like 'operator:%' from audit_entry where action = 'staff.manage' order by id"
        ).fetchall()
    assert rows == [
        ({"created": True}, None, True),
        ({"second_factor_reset": True}, "phone lost", True),
        ({"locked": True}, "left", True),
        ({"locked": False}, "back", True),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("create", "li", "--role", "district_admin"), 2, "security administrator"),
        (("create", "Li Si"), 1, "lower-case"),
        (("lock", "nobody", "--reason", "x1"), 1, "no account nobody"),
        (("create", "li", "--password", "x"), 2, "--password"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(database_url, redis_url, arguments, status, said):
    done = run(database_url, redis_url, *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
