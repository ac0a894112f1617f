"""Persons and delegations as answers: masked for everyone but themselves."""

from datetime import datetime
from typing import cast

from api.schemas.people import DelegationOut, IdKind, PersonOut, Relation
from api.schemas.persons import StaffPersonItem, TagOut, WaitingOut
from booking.people.dates import local_date
from booking.people.delegations import state_on
from booking.people.models import Account, Delegation, Person, PersonRequest, PersonTag
from booking.people.notices import shown_phone
from booking.people.persons import Facts, name_of, phone_of_account, read_facts
from booking.people.requests import read_request
from booking.people.tags import tag_kinds
from core.keyring import KeyRing
from core.masking import mask_id_number, mask_name

WAITS_FOR_SELF = (
    "请用 POST /v1/me/people/{id}/verify 完成核验；收到验证码的，请一并提交。/ "
    "Finish with POST /v1/me/people/{id}/verify, with the code if one came."
)
WAITS = (
    "验证码如已发到对方手机，请在 5 分钟内提交；没有收到的，可请社区回访或到窗口确认。/ "
    "Send the code that their phone got within 5 minutes; if none came, ask the community to call back or come to the desk."
)


def own_person_out(ring: KeyRing, person: Person) -> PersonOut:
    """Oneself, unmasked."""
    facts = read_facts(ring, person)
    return _person(person, facts).model_copy(
        update={
            "relation": "self",
            "name": facts.name,
            "id_number": facts.id_number,
            "phone": None if facts.phone is None else facts.phone.removeprefix("+86"),
            "birth_on": facts.birth_on,
            "scopes": ["self"],
        }
    )


def delegated_person_out(ring: KeyRing, person: Person, delegation: Delegation) -> PersonOut:
    """Somebody who delegated, masked."""
    return _person(person, read_facts(ring, person)).model_copy(
        update={
            "relation": delegation.relation,
            "scopes": list(delegation.scopes),
            "until": delegation.until_on,
            "delegation_id": delegation.id,
        }
    )


def request_out(ring: KeyRing, request: PersonRequest) -> PersonOut:
    """What waits, as it was typed, masked."""
    facts = read_request(ring, request)
    itself = request.relation == "self"
    return PersonOut(
        id=request.id,
        state="waiting",
        relation=cast(Relation, request.relation),
        name=mask_name(facts.name),
        id_kind=cast(IdKind, request.id_kind),
        id_number=None if facts.id_number is None else mask_id_number(facts.id_number),
        phone=shown_phone(facts.phone),
        birth_on=None,
        sex=None,
        home_area_id=request.home_area_id,
        scopes=list(request.scopes),
        until=request.until_on,
        delegation_id=None,
        verification=None,
        hint=WAITS_FOR_SELF if itself else WAITS,
    )


def delegation_out(
    ring: KeyRing,
    one: Delegation,
    *,
    person: Person,
    grantee: Account | None,
    direction: str,
    purpose: bool = True,
    now: datetime,
) -> DelegationOut:
    """One side's view; ``purpose``: whether it is shown (staff do not need it)."""
    phone = None if grantee is None else phone_of_account(ring, grantee)
    if one.grantee_phone is not None:
        phone = ring.decrypt("delegation.grantee_phone", one.id, one.grantee_phone)
    said = None
    if purpose and one.purpose is not None:
        said = ring.decrypt("delegation.purpose", one.id, one.purpose)
    return DelegationOut.model_validate(
        {
            "id": one.id,
            "direction": direction,
            "person_id": one.person_id,
            "person": mask_name(name_of(ring, person)),
            "grantee": shown_phone(phone),
            "relation": one.relation,
            "scopes": one.scopes,
            "purpose": said,
            "until": one.until_on,
            "state": state_on(one, local_date(now)),
            "way": one.way,
            "offered_at": one.offered_at,
            "accepted_at": one.accepted_at,
            "ended_at": one.ended_at,
        }
    )


def staff_person_item(ring: KeyRing, person: Person, *, now: datetime) -> StaffPersonItem:
    """A person, masked."""
    return StaffPersonItem.model_validate(staff_person_fields(ring, person, now=now))


def staff_person_fields(ring: KeyRing, person: Person, *, now: datetime) -> dict[str, object]:
    """What staff see of everyone they may see."""
    facts = read_facts(ring, person)
    return {
        "id": person.id,
        "name": mask_name(facts.name),
        "id_kind": facts.id_kind,
        "id_number": None if facts.id_number is None else mask_id_number(facts.id_number),
        "phone": shown_phone(facts.phone),
        "age": facts.age_on(local_date(now)),
        "sex": facts.sex,
        "home_area_id": person.home_area_id,
        "has_account": person.account_id is not None,
        "verification": person.verification,
        "version": person.version,
    }


def waiting_out(ring: KeyRing, request: PersonRequest, account: Account) -> WaitingOut:
    """A request, for the desk."""
    return WaitingOut.model_validate(
        {
            "id": request.id,
            "relation": request.relation,
            "name": mask_name(read_request(ring, request).name),
            "asked_by": shown_phone(phone_of_account(ring, account)),
            "scopes": request.scopes,
            "until": request.until_on,
            "requested_at": request.requested_at,
        }
    )


def tag_out(ring: KeyRing, one: PersonTag, *, now: datetime) -> TagOut:
    """A tag, without its evidence."""
    kind, today = tag_kinds().get(one.tag), local_date(now)
    counts = (
        one.revoked_at is None and one.from_on <= today and (one.until_on is None or one.until_on >= today)
    )
    return TagOut(
        id=one.id,
        tag=one.tag,
        title_zh=kind.zh if kind else one.tag,
        title_en=kind.en if kind else one.tag,
        from_on=one.from_on,
        until_on=one.until_on,
        counts=counts,
        granted_at=one.granted_at,
        revoked_at=one.revoked_at,
        revoke_reason=None
        if one.revoke_reason is None
        else ring.decrypt("person_tag.revoke_reason", one.id, one.revoke_reason),
    )


def _person(person: Person, facts: Facts) -> PersonOut:
    return PersonOut.model_validate(
        {
            "id": person.id,
            "state": "active",
            "relation": "other",
            "name": mask_name(facts.name),
            "id_kind": facts.id_kind,
            "id_number": None if facts.id_number is None else mask_id_number(facts.id_number),
            "phone": shown_phone(facts.phone),
            "birth_on": None,
            "sex": facts.sex,
            "home_area_id": person.home_area_id,
            "scopes": [],
            "until": None,
            "delegation_id": None,
            "verification": person.verification,
            "hint": None,
        }
    )
