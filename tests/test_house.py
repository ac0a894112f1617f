"""The rules of the house that tools do not know: read from the source, so that a rule cannot drift from the code."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("core", "geo", "booking", "api", "seed")
DOMAIN = ("geo", "booking")
MOST_LINES = 350


def sources(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def calls(tree: ast.AST, name: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    ]


def test_the_check_for_commits_finds_one():
    assert calls(ast.parse("def f(session):\n    session.commit()"), "commit") == [2]


@pytest.mark.parametrize("path", sources(*ROOMS), ids=str)
def test_only_the_database_module_ends_transactions(path):
    if path == ROOT / "core/database.py":
        return
    tree = ast.parse(path.read_text())
    assert calls(tree, "commit") + calls(tree, "rollback") == []


@pytest.mark.parametrize("path", sources(*ROOMS), ids=str)
def test_only_the_clock_reads_the_clock(path):
    if path == ROOT / "core/clock.py":
        return
    tree = ast.parse(path.read_text())
    read = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "today", "utcnow")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("datetime", "date")
    ]
    assert read == []


def imports(path: Path) -> set[str]:
    """Top-level names of what a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", sources("core", *DOMAIN), ids=str)
def test_the_domain_knows_no_web_framework(path):
    assert imports(path) & {"fastapi", "starlette", "uvicorn"} == set()


def packages() -> list[str]:
    """Every package of ours that has at least two modules, ``booking`` once it has some."""
    homes = {path.parent for path in sources(*ROOMS) if path.name != "__init__.py"}
    return sorted(
        ".".join(home.relative_to(ROOT).parts)
        for home in homes
        if "migrations" not in home.parts and len(list(home.glob("[!_]*.py"))) > 1
    )


@pytest.mark.parametrize("package", packages())
def test_no_module_is_without_a_contract(package):
    """An exhaustive layer contract breaks on a module that it does not name; a new package needs one of its own."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    exhaustive = {
        container
        for contract in contracts
        if contract.get("exhaustive")
        for container in contract.get("containers", [])
    }
    # Routes and commands stand beside each other: what they share lives above them in api.
    assert package in exhaustive | {"api.routes", "api.cli"}


@pytest.mark.parametrize("path", sources(*ROOMS), ids=str)
def test_a_file_is_about_one_thing(path):
    if "migrations" in path.parts:
        return
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", sources(*ROOMS), ids=str)
def test_every_module_and_public_function_says_what_it_is(path):
    if "migrations" in path.parts:
        return
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not any(ast.unparse(one) == "overload" for one in node.decorator_list)
    ]
    assert bare == []


@pytest.mark.parametrize("path", sources(*ROOMS), ids=str)
def test_no_sql_names_a_schema(path):
    """Regions may live in schemas of their own one day; ``public.`` would tie them to one."""
    assert re.search(r"\bpublic\.[a-z_]", path.read_text()) is None
