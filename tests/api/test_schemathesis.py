"""schemathesis against the running server: every check it knows, and it finds nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.actor import Grant
from tests.api.people import sign_in, unlimited_city

LONG = bool(os.environ.get("XINBAN_TEST_LONG"))
PUBLIC = r"^/(v1/(categories|search|areas/at|districts/at|sites(/nearby|/{site_id}(/guide|/qr\.svg)?)?)|healthz|readyz|metrics)?$"

ENDING = r"^/v1/(me|me/sessions/{session_id}|auth/tokens|auth/codes)$"  # the session ends with them; a code is sent once a minute
LASTING = r"^/v1/inbox(/stream)?$"  # they wait for what comes: test_inbox.py sends them nonsense
STAFF = r"^/v1/staff/"  # to a resident they say 403 whatever is sent: test_permissions.py asks each once


def run(server, folder, *more: str, examples: int) -> str:
    asked = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        f"--max-examples={examples}",
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-color",
        *more,
    ]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()
    assert generated == passed
    assert int(generated) > 500
    return done.stdout


@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing_in_public_calls(server, tmp_path):
    """Every check it knows."""
    said = run(
        server, tmp_path, "--checks=all", f"--include-path-regex={PUBLIC}", examples=200 if LONG else 12
    )
    assert "13 selected" in said


@pytest.fixture
def own(tmp_path_factory, server_url, city_template, redis_url):
    """A server and its database, which this test alone fills with nonsense."""
    with unlimited_city(tmp_path_factory, server_url, city_template, redis_url) as both:
        yield both


@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ["resident", "district_admin"])
def test_schemathesis_finds_nothing_in_calls_of_those_who_signed_in(own, tmp_path, who):
    """All checks but two: a well-formed phone may be none all the same, and GET /v1/staff/persons/search asks for a person."""
    server, database_url = own
    left_out = f"{PUBLIC}|{ENDING}|{LASTING}"
    if who == "resident":
        headers = sign_in(database_url, kind="resident")
        left_out += f"|{STAFF}"
    else:
        headers = sign_in(database_url, Grant("district_admin", "district"))
    run(
        server,
        tmp_path,
        "--checks=all",
        "--exclude-checks=positive_data_acceptance,unsupported_method",
        f"--exclude-path-regex={left_out}",
        "--header",
        f"Authorization: {headers['Authorization']}",
        examples=100 if LONG else 3,
    )
