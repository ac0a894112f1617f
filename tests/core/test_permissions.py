"""The table of permissions, and the questions that domain functions ask it."""

from typing import get_args
from uuid import UUID

import pytest

from api.identity.models.grant import ROLES, SEPARATED
from core.actor import ANYONE, SYSTEM, Actor, Grant, Role, ScopeKind
from core.permissions import (
    ROLE_NAMES,
    RULES,
    SCOPE_NAMES,
    SCOPES,
    SEPARATED_ROLES,
    STAFF_ROLES,
    NotAllowed,
    NotSignedIn,
    Place,
    covers,
    may,
    require,
    require_at,
    scopes,
)

ROLE_LIST = get_args(Role)
HERE = Place("site-1", ("community-1", "township-1", "district-1"), ("meal_point", "elder"))


def acting(*grants):
    return Actor(
        name="account:1", channel="app", account_id=UUID(int=1), session_id=UUID(int=2), grants=grants
    )


def test_every_role_and_scope_has_a_name_and_places_where_it_can_be_given():
    assert set(SCOPES) == set(ROLE_NAMES) == set(ROLE_LIST)
    assert set(SCOPE_NAMES) == set(get_args(ScopeKind))
    assert {scope for within in SCOPES.values() for scope in within} == set(SCOPE_NAMES)


def test_the_table_of_grants_takes_the_same_roles():
    assert ", ".join(f"'{role}'" for role in ROLE_LIST) == ROLES
    assert all(f"'{role}'" in SEPARATED for role in SEPARATED_ROLES)
    assert SEPARATED.count("'") == 2 * len(SEPARATED_ROLES)


def test_rules_name_roles_of_staff_only_and_every_such_role_is_of_use():
    named = {role for rule in RULES.values() for role in rule.roles}
    assert named == STAFF_ROLES
    for action, rule in RULES.items():
        assert (rule.who == "roles") == bool(rule.roles), action


def test_the_three_administrators_share_no_action_that_changes_anything():
    for action, rule in RULES.items():
        if len(rule.roles & SEPARATED_ROLES) > 1:
            assert action in ("staff.own", "staff.read")


@pytest.mark.parametrize("action", RULES)
def test_the_signed_out_may_only_do_what_anyone_may(action):
    assert may(ANYONE, action) == (RULES[action].who == "anyone")
    assert may(SYSTEM, action)
    if not may(ANYONE, action):
        with pytest.raises(NotSignedIn):
            require(ANYONE, action)


def test_an_unknown_action_is_a_mistake_of_ours_and_never_allowed():
    for actor in (ANYONE, SYSTEM, acting(Grant("district_admin", "district"))):
        with pytest.raises(KeyError):
            may(actor, "site.reed")


def test_a_role_that_the_action_does_not_name_is_refused_and_told_which_permission_is_missing():
    with pytest.raises(NotAllowed) as refused:
        require(acting(Grant("carer", "township", "township-1")), "site.publish")
    assert refused.value.fields["action"] == "site.publish"


@pytest.mark.parametrize(
    ("grant", "covered"),
    [
        (Grant("site_staff", "site", "site-1"), True),
        (Grant("site_staff", "site", "site-2"), False),
        (Grant("site_staff", "township", "township-1"), True),
        (Grant("site_staff", "township", "community-1"), True),
        (Grant("site_staff", "township", "township-2"), False),
        (Grant("site_staff", "category", "elder"), True),
        (Grant("site_staff", "category", "clinic"), False),
        (Grant("district_admin", "district"), True),
        (Grant("site_staff", "site", "township-1"), False),  # an id of another kind
        (Grant("site_staff", "site", None), False),
        (Grant("site_staff", "own"), False),
        (Grant("auditor", "district"), False),
    ],
)
def test_a_grant_covers_its_site_its_area_with_all_below_or_its_category_with_all_below(grant, covered):
    actor = acting(grant)
    assert covers(actor, "site.edit", HERE) == covered
    if covered:
        require_at(actor, "site.edit", HERE)
    else:
        with pytest.raises(NotAllowed):
            require_at(actor, "site.edit", HERE)


def test_scopes_add_up_and_those_of_other_roles_do_not_count():
    actor = acting(
        Grant("site_staff", "site", "site-1"),
        Grant("site_staff", "site", "site-2"),
        Grant("inspector", "category", "elder"),
        Grant("auditor", "district"),
    )
    assert scopes(actor, "site.edit") == {"site": {"site-1", "site-2"}}
    assert scopes(actor, "site.read") == {"site": {"site-1", "site-2"}, "category": {"elder"}}
    assert scopes(acting(), "site.edit") == {}
    assert scopes(SYSTEM, "site.edit") is None
    assert scopes(acting(Grant("district_admin", "district")), "site.edit") is None


def test_an_empty_place_is_covered_by_the_whole_district_only():
    assert not covers(acting(Grant("site_staff", "site", "site-1")), "site.edit", Place())
    assert covers(acting(Grant("district_admin", "district")), "site.edit", Place())
