"""``xinban seed`` as a person runs it."""

import re

import pytest
from typer.testing import CliRunner

from seed.cli import app


@pytest.fixture
def run(database_url, monkeypatch):
    monkeypatch.setenv("XINBAN_DATABASE_URL", database_url)

    def run(*arguments):
        return CliRunner().invoke(app, arguments)

    return run


def test_an_empty_database_gets_the_city_once(run):
    first = run("--if-empty")
    assert first.exit_code == 0, first.output
    assert "服务点 400 新" in first.output
    assert re.search(r"可预约项目 1\d\d 新、时段 \d+ 新", first.output)
    second = run("--if-empty")
    assert second.exit_code == 0
    assert "nothing seeded" in second.output


def test_scale_adds_benchmark_sites_and_says_how_many(run):
    result = run("--scale", "40")
    assert result.exit_code == 0, result.output
    assert "压测服务点：40 新" in result.output


def test_a_scale_of_none_is_refused(run):
    assert run("--scale", "0").exit_code == 2
