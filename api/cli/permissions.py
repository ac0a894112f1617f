"""``xinban permissions``: who may do what, as docs/permissions.md shows it."""

from collections.abc import Iterator

from fastapi import FastAPI

from api.access import routes_of
from core.permissions import ROLE_NAMES, RULES, SCOPE_NAMES, SCOPES, STAFF_ROLES, Rule

HEAD = """\
# Permissions

<!-- Made by `xinban permissions > docs/permissions.md`; a test keeps it equal to core/permissions.py and the routes. -->

Who may do what. An action is allowed within the scopes of the grants a person holds: a site, a township or community
with all below it, a category with all below it, or the whole district. Residents act for what is their own, and for
persons who delegated to them, as far as the delegation says. Every role of staff needs a second factor.

谁能做什么。工作人员的权限限于所授予的范围：站点、乡镇或社区（含下级）、类别（含下级）或全区。居民只办理本人的事，以及他人授权的事。
工作人员登录一律需要第二因素。
"""


def permissions() -> None:
    """打印权限表 (Markdown)。Print the table of permissions as Markdown."""
    from api.app import create_app
    from core.settings import Settings

    print("\n".join(describe_permissions(create_app(Settings()))))


def describe_permissions(app: FastAPI) -> Iterator[str]:
    """The lines of docs/permissions.md."""
    yield HEAD
    yield "## Roles and where they can be given · 角色与范围\n"
    yield "| role | 角色 | within | second factor |"
    yield "| --- | --- | --- | --- |"
    for role, scopes in SCOPES.items():
        within = ", ".join(f"{scope} {SCOPE_NAMES[scope]}" for scope in scopes)
        yield f"| `{role}` | {ROLE_NAMES[role]} | {within} | {'yes' if role in STAFF_ROLES else ''} |"
    yield (
        "\n`system_admin` makes accounts and gives no rights, `security_admin` gives rights and never to themselves,"
        " `auditor` reads the record: nobody holds two of them (三员分立).\n"
    )
    yield "## Actions · 权限\n"
    yield f"| action | what | anyone | signed in | {' | '.join(ROLE_NAMES[role] for role in SCOPES)} |"
    yield f"| --- | --- |{' :-: |' * (2 + len(SCOPES))}"
    for action, rule in RULES.items():
        yield f"| `{action}` | {rule.says} | {' | '.join(_marks(rule))} |"
    yield "\n## Routes · 接口\n"
    yield "| route | action |"
    yield "| --- | --- |"
    said = [
        (route.path, method, str(needed))
        for route, needed in routes_of(app)
        for method in route.methods or ()
    ]
    for path, method, needs in sorted(said):
        yield f"| `{method} {path}` | `{needs}` |"


def _marks(rule: Rule) -> Iterator[str]:
    yield "✓" if rule.who == "anyone" else ""
    yield "✓" if rule.who in ("anyone", "signed_in") else ""
    for role in SCOPES:
        yield "✓" if rule.who in ("anyone", "signed_in") or role in rule.roles else ""
