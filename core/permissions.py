"""Who may do what: the one table, and the three questions that domain functions ask it.

``RULES`` names every action with the roles that may do it; within which scope is said by each grant a person holds
(own, site, township, category, district). ``docs/permissions.md`` shows the table for people; a test keeps it equal.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from core.actor import Actor, Role, ScopeKind
from core.errors import Forbidden, Unauthenticated


class NotSignedIn(Unauthenticated):
    """Please sign in."""

    code = "not-signed-in"
    title_zh = "请先登录"


class NotAllowed(Forbidden):
    """You may not do this."""

    code = "not-allowed"
    title_zh = "您没有这项权限"


@dataclass(frozen=True, slots=True)
class Rule:
    """``who``: everyone, everyone signed in (for what is their own), or those granted one of ``roles``."""

    says: str
    who: Literal["anyone", "signed_in", "roles"]
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """What scopes are compared with: a site, the areas that hold it, its category and those above it."""

    site_id: str | None = None
    area_ids: Collection[str] = ()
    categories: Collection[str] = ()


def _anyone(says: str) -> Rule:
    return Rule(says, "anyone")


def _signed_in(says: str) -> Rule:
    return Rule(says, "signed_in")


def _roles(says: str, *roles: Role) -> Rule:
    return Rule(says, "roles", frozenset(roles))


# Within which scopes a role can be given. Roles of residents are for what is their own.
SCOPES: Mapping[Role, tuple[ScopeKind, ...]] = {
    "resident": ("own",),
    "seeker": ("own",),
    "employer": ("own",),
    "site_staff": ("site", "township", "category"),
    "carer": ("site", "township"),
    "clinician": ("site", "township"),
    "inspector": ("township", "category", "district"),
    "district_admin": ("township", "category", "district"),
    "system_admin": ("district",),
    "security_admin": ("district",),
    "auditor": ("district",),
}
ROLE_NAMES: Mapping[Role, str] = {
    "resident": "居民",
    "seeker": "求职者",
    "employer": "用工方",
    "site_staff": "站点工作人员",
    "carer": "护理员",
    "clinician": "医务人员",
    "inspector": "督查员",
    "district_admin": "区级管理员",
    "system_admin": "系统管理员",
    "security_admin": "安全管理员",
    "auditor": "审计员",
}
SCOPE_NAMES: Mapping[ScopeKind, str] = {
    "own": "本人",
    "site": "站点",
    "township": "乡镇或社区",
    "category": "类别",
    "district": "全区",
}
STAFF_ROLES: frozenset[Role] = frozenset(role for role, scopes in SCOPES.items() if "own" not in scopes)
# 三员: held by three different people, as inspections ask for.
SEPARATED_ROLES: frozenset[Role] = frozenset({"system_admin", "security_admin", "auditor"})

RULES: Mapping[str, Rule] = {
    # The locator, and the running service
    "locator.read": _anyone("find sites, areas and school districts"),
    "operation.read": _anyone("health, metrics, documentation"),
    # Signing in, and one's own things
    "session.start": _anyone("ask for a code, sign in, refresh a token"),
    "session.own": _signed_in("see and end one's own sessions"),
    "account.own": _signed_in("read, change, export and erase one's own account; consents; who looked"),
    "person.own": _signed_in("oneself, and persons who delegated; each delegation says how far"),
    # What residents say
    "correction.report": _anyone("report a mistake about a site; limited when signed out"),
    "complaint.own": _signed_in("complain, reopen, see the answer"),
    "rating.own": _signed_in("rate a service after using it"),
    # Booking
    "offering.read": _anyone("what can be booked, and when there is a place"),
    "reservation.own": _signed_in("book, change and cancel; waiting list; standing bookings"),
    "inbox.own": _signed_in("read one's own messages, say how to be told, one's calendar feed"),
    # Staff run their sites
    "site.read": _roles("drafts, history, freshness", "site_staff", "inspector", "district_admin"),
    "site.edit": _roles("edit, assure, close, revert, submit", "site_staff", "district_admin"),
    "site.create": _roles("create a draft", "site_staff", "district_admin"),
    "site.publish": _roles("publish or take back", "district_admin"),
    "import.run": _roles("import files over HTTP, apply and undo", "district_admin"),
    "correction.handle": _roles("accept or decline reports", "site_staff", "district_admin"),
    "complaint.handle": _roles("answer complaints", "site_staff", "inspector", "district_admin"),
    "complaint.escalated": _roles("answer complaints that were escalated", "inspector", "district_admin"),
    "rating.collect": _roles("enter ratings at the desk or from paper", "site_staff", "district_admin"),
    "offering.manage": _roles("offerings, templates, slots, seats", "site_staff", "district_admin"),
    "desk.run": _roles(
        "today's list, check-in, walk-ins, booking for callers",
        "site_staff",
        "carer",
        "clinician",
        "district_admin",
    ),
    "attendance.decide": _roles("answer appeals about places left empty", "site_staff", "district_admin"),
    "outreach.handle": _roles("tell people whom no message reaches", "site_staff", "carer", "district_admin"),
    # Persons: each look is on record
    "person.read": _roles(
        "find a person, see masked data", "site_staff", "carer", "clinician", "district_admin"
    ),
    "person.reveal": _roles(
        "see a person's data unmasked, with a reason", "site_staff", "clinician", "district_admin"
    ),
    "person.register": _roles("register someone at the desk", "site_staff", "district_admin"),
    "person.tag": _roles("grant and take back tags with evidence", "district_admin"),
    "delegation.witness": _roles(
        "accept a delegation by call-back or at the desk", "site_staff", "district_admin"
    ),
    # Three separated administrators (三员): one makes accounts, one gives rights, one reads the record
    "staff.own": _roles("see one's own roles and where they hold", *sorted(STAFF_ROLES)),
    "staff.read": _roles("see staff accounts and their roles", *sorted(SEPARATED_ROLES)),
    "staff.manage": _roles("create, lock and unlock staff accounts, reset second factors", "system_admin"),
    "grant.manage": _roles("give and take roles and scopes", "security_admin"),
    "audit.read": _roles("search the audit record", "auditor"),
}


def may(actor: Actor, action: str) -> bool:
    """Whether ``actor`` may do ``action`` anywhere at all."""
    rule = RULES[action]
    if actor.is_system or rule.who == "anyone":
        return True
    if rule.who == "signed_in":
        return actor.account_id is not None
    return any(grant.role in rule.roles for grant in actor.grants)


def require(actor: Actor, action: str) -> None:
    """Raises NotSignedIn or NotAllowed when ``actor`` may do ``action`` nowhere."""
    if may(actor, action):
        return
    if actor.account_id is None:
        raise NotSignedIn("请登录后再试。", "Sign in and try again.")
    raise NotAllowed(
        f"需要权限 {action}，请联系管理员。",
        f"This needs the permission {action}; ask your administrator.",
        action=action,
    )


def scopes(actor: Actor, action: str) -> Mapping[ScopeKind, frozenset[str]] | None:
    """Where ``actor`` may do ``action``: ids by kind of scope, for a query to be narrowed by. None: everywhere."""
    if actor.is_system or RULES[action].who == "anyone":
        return None
    found: dict[ScopeKind, set[str]] = {}
    for grant in actor.grants:
        if grant.role in RULES[action].roles:
            if grant.scope == "district":
                return None
            if grant.scope_id is not None:
                found.setdefault(grant.scope, set()).add(grant.scope_id)
    return {kind: frozenset(ids) for kind, ids in found.items()}


def covers(actor: Actor, action: str, place: Place) -> bool:
    """Whether ``actor`` may do ``action`` at ``place``."""
    within = scopes(actor, action)
    if within is None:
        return True
    return (
        place.site_id in within.get("site", ())
        or not within.get("township", frozenset()).isdisjoint(place.area_ids)
        or not within.get("category", frozenset()).isdisjoint(place.categories)
    )


def require_at(actor: Actor, action: str, place: Place) -> None:
    """Raises NotSignedIn or NotAllowed when ``actor`` may not do ``action`` at ``place``."""
    require(actor, action)
    if not covers(actor, action, place):
        raise NotAllowed(
            "这不在您负责的范围内，请联系管理员。",
            "This is outside your scope; ask your administrator.",
            action=action,
        )
