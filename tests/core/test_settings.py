"""What an operator may set: docs/operations.md has every setting with its true default, and containers hand them on."""

import json
import re
from pathlib import Path

import pytest
import yaml

from core.settings import Settings

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs/operations.md"
OWNER = "XINBAN_OWNER_DATABASE_URL"
ROW = re.compile(
    r"^\| `XINBAN_(?P<name>[A-Z0-9_]+)` \| (?:`(?P<default>[^`]+)` )?\| (?P<meaning>\S.*) \|$", re.MULTILINE
)


def documented() -> dict[str, str]:
    """Setting → default as an environment variable would hold it, from the table."""
    return {row["name"].lower(): row["default"] or "" for row in ROW.finditer(OPERATIONS.read_text())}


def written(value: object) -> str:
    """As one writes it in the environment: text as it is, nothing for what is not set, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def test_the_table_of_settings_names_every_setting_and_no_other():
    assert sorted(documented()) == sorted(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_table_of_settings_says_the_default(name):
    assert documented()[name] == written(Settings.model_fields[name].default)


def test_a_documented_default_can_be_set_as_it_is_written(monkeypatch):
    for name, default in documented().items():
        monkeypatch.setenv(f"XINBAN_{name.upper()}", default)
    assert Settings().model_dump() == {name: field.default for name, field in Settings.model_fields.items()}


def test_the_containers_hand_on_every_setting_an_operator_may_set():
    app = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-app"]
    by_hand = {f"XINBAN_{name.upper()}" for name in Settings.model_fields if name != "processes"}
    assert set(app["environment"]) == by_hand - {OWNER} | {"XINBAN_PORT"}


def test_only_the_container_that_migrates_knows_the_owner_of_the_tables():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert [name for name, one in services.items() if OWNER in one.get("environment", {})] == ["migrate"]
