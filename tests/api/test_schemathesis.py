"""schemathesis against the running server: every check it knows, and it finds nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = 200 if os.environ.get("XINBAN_TEST_LONG") else 12


@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(server, tmp_path):
    asked = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        "--checks=all",
        f"--max-examples={EXAMPLES}",
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-color",
    ]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 selected / 13 total" in done.stdout
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()
    assert generated == passed
    assert int(generated) > 500
