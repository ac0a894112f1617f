"""Staff accounts, their enrolment and their roles: three administrators, each with a part of it (三员分立)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy import Row
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.identity import enrolments, role_changes, staff
from api.identity.grants import list_grants
from api.identity.staff_errors import (
    EnrolmentGone,
    GrantHeld,
    GrantNotFound,
    InvalidGrant,
    InvalidUsername,
    OwnAccount,
    PasswordsBusy,
    ProtectedAccount,
    RolesSeparated,
    StaffNotFound,
    UsernameTaken,
    WeakPassword,
    WrongTotp,
)
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.accounts import (
    ConfirmationIn,
    EnrolledOut,
    EnrolmentBegunOut,
    EnrolmentIn,
    GrantIn,
    GrantOut,
    GrantsOut,
    LinkOut,
    StaffIn,
    StaffItem,
    StaffOut,
    StaffPage,
    StaffQuery,
)
from api.schemas.base import Reason, ReasonIn
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import ROLE_NAMES, SCOPE_NAMES, NotAllowed, NotSignedIn

router = APIRouter(tags=["staff"])
DENIED = (NotSignedIn, NotAllowed)


@router.post(
    "/v1/auth/enrolments",
    responses=responses(EnrolmentGone, WeakPassword, PasswordsBusy, *LIMIT_ERRORS),
    dependencies=[limited("sign_in")],
)
async def begin_enrolment(
    request: Request,
    session: Session,
    _actor: Annotated[Actor, allowed("session.start")],
    body: EnrolmentIn,
) -> EnrolmentBegunOut:
    """Set the password, and get the secret of the second factor; again until it is confirmed."""
    runtime = runtime_of(request)
    begun = await enrolments.begin_enrolment(
        runtime.database, session, runtime.ring, token=body.token, password=body.password, now=clock.now()
    )
    return EnrolmentBegunOut.model_validate(begun)


@router.post(
    "/v1/auth/enrolments/confirm",
    responses=responses(EnrolmentGone, WrongTotp, *LIMIT_ERRORS),
    dependencies=[limited("sign_in")],
)
async def confirm_enrolment(
    request: Request,
    session: Session,
    _actor: Annotated[Actor, allowed("session.start")],
    body: ConfirmationIn,
) -> EnrolledOut:
    """Confirm the second factor with its first code. Ten recovery codes are shown, this once."""
    finished = await enrolments.finish_enrolment(
        session, runtime_of(request).ring, token=body.token, code=body.code, now=clock.now()
    )
    return EnrolledOut.model_validate(finished)


@router.get("/v1/staff/me", responses=responses(*DENIED))
async def show_my_roles(session: Session, actor: Annotated[Actor, allowed("staff.own")]) -> StaffOut:
    """My roles, and where they hold."""
    assert actor.account_id is not None
    return await _shown(session, actor, actor.account_id)


@router.get(
    "/v1/staff/accounts",
    responses=responses(InvalidCursor, *DENIED),
)
async def list_staff_accounts(
    session: Session,
    actor: Annotated[Actor, allowed("staff.read")],
    wanted: Annotated[StaffQuery, Query()],
) -> StaffPage:
    """Staff accounts by username, with the roles they hold."""
    filters = f"staff {wanted.q}".encode()
    after = read_one(filters, wanted.next, str)
    rows = await staff.list_staff(
        session, actor, q=wanted.q, after=after, limit=wanted.limit + 1, now=clock.now()
    )
    items = [StaffItem.model_validate(row) for row in rows[: wanted.limit]]
    following = next_cursor(filters, rows, wanted.limit, lambda row: [row.username])
    return StaffPage(items=items, next=following)


@router.post(
    "/v1/staff/accounts",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=LinkOut,
    responses=responses(*LIMIT_ERRORS, InvalidUsername, UsernameTaken, *DENIED, *ONCE_ERRORS),
)
async def create_staff_account(
    session: Session, actor: Annotated[Actor, allowed("staff.manage")], once: Once, body: StaffIn
) -> Response:
    """An account without any rights, and a token to enrol with; hand it over in person."""
    created = await staff.create_staff(
        session, actor, username=body.username, office=body.office, now=clock.now()
    )
    return await once.answer(
        _link(created), status=201, headers={"Location": f"/v1/staff/accounts/{created.staff_id}"}
    )


@router.get(
    "/v1/staff/accounts/{staff_id}",
    responses=responses(StaffNotFound, *DENIED),
)
async def show_staff_account(
    session: Session, actor: Annotated[Actor, allowed("staff.read")], staff_id: UUID
) -> StaffOut:
    """One account and its roles."""
    return await _shown(session, actor, staff_id)


@router.post(
    "/v1/staff/accounts/{staff_id}/lock",
    response_model=StaffOut,
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, StaffNotFound, OwnAccount, *DENIED, *ONCE_ERRORS),
)
async def lock_staff_account(
    session: Session,
    actor: Annotated[Actor, allowed("staff.manage")],
    once: Once,
    staff_id: UUID,
    body: ReasonIn,
) -> Response:
    """Nobody signs in with it; whoever is signed in is out within 5 s."""
    await staff.lock_staff(session, actor, staff_id=staff_id, reason=body.reason, now=clock.now())
    return await once.answer(await _shown(session, actor, staff_id))


@router.post(
    "/v1/staff/accounts/{staff_id}/unlock",
    response_model=StaffOut,
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, StaffNotFound, OwnAccount, *DENIED, *ONCE_ERRORS),
)
async def unlock_staff_account(
    session: Session,
    actor: Annotated[Actor, allowed("staff.manage")],
    once: Once,
    staff_id: UUID,
    body: ReasonIn,
) -> Response:
    """It may be signed in with again."""
    await staff.unlock_staff(session, actor, staff_id=staff_id, reason=body.reason, now=clock.now())
    return await once.answer(await _shown(session, actor, staff_id))


@router.post(
    "/v1/staff/accounts/{staff_id}/reset-second-factor",
    dependencies=[limited("writes")],
    response_model=LinkOut,
    responses=responses(*LIMIT_ERRORS, StaffNotFound, OwnAccount, ProtectedAccount, *DENIED, *ONCE_ERRORS),
)
async def reset_staff_account(
    session: Session,
    actor: Annotated[Actor, allowed("staff.manage")],
    once: Once,
    staff_id: UUID,
    body: ReasonIn,
) -> Response:
    """Password and second factor are void and sessions end; a new token enrols again."""
    created = await staff.reset_second_factor(
        session, actor, staff_id=staff_id, reason=body.reason, now=clock.now()
    )
    return await once.answer(_link(created))


@router.get(
    "/v1/staff/accounts/{staff_id}/grants",
    responses=responses(StaffNotFound, *DENIED),
)
async def show_grants(
    session: Session, actor: Annotated[Actor, allowed("staff.read")], staff_id: UUID
) -> GrantsOut:
    """Roles in force, the oldest first."""
    return GrantsOut(items=(await _shown(session, actor, staff_id)).grants)


@router.post(
    "/v1/staff/accounts/{staff_id}/grants",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=GrantsOut,
    responses=responses(
        *LIMIT_ERRORS,
        StaffNotFound,
        OwnAccount,
        InvalidGrant,
        RolesSeparated,
        GrantHeld,
        *DENIED,
        *ONCE_ERRORS,
    ),
)
async def give_role(
    session: Session,
    actor: Annotated[Actor, allowed("grant.manage")],
    once: Once,
    staff_id: UUID,
    body: GrantIn,
) -> Response:
    """Give a role within a scope. It counts within 5 s: devices are asked to refresh their tokens."""
    _, account = await staff.get_staff(session, actor, staff_id=staff_id)
    now = clock.now()
    await role_changes.give_role(
        session,
        actor,
        account=account,
        role=body.role,
        scope=body.scope,
        scope_id=body.scope_id,
        ends_on=body.ends_on,
        reason=body.reason,
        now=now,
    )
    shown = await _shown(session, actor, staff_id)
    return await once.answer(GrantsOut(items=shown.grants), status=201)


@router.delete(
    "/v1/staff/accounts/{staff_id}/grants/{grant_id}",
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, StaffNotFound, GrantNotFound, OwnAccount, *DENIED),
)
async def take_role_back(
    session: Session,
    actor: Annotated[Actor, allowed("grant.manage")],
    staff_id: UUID,
    grant_id: UUID,
    reason: Annotated[Reason, Query()],
) -> GrantsOut:
    """Take a role back, within 5 s."""
    await role_changes.take_role(
        session, actor, account_id=staff_id, grant_id=grant_id, reason=reason, now=clock.now()
    )
    return GrantsOut(items=(await _shown(session, actor, staff_id)).grants)


async def _shown(session: Session, actor: Actor, staff_id: UUID) -> StaffOut:
    one, account = await staff.get_staff(session, actor, staff_id=staff_id)
    grants = await list_grants(session, account_id=staff_id, now=clock.now())
    return StaffOut(
        id=one.id,
        username=one.username,
        office=one.office,
        state=account.state,
        enrolled_at=one.enrolled_at,
        created_at=one.created_at,
        grants=[_grant(row) for row in grants],
    )


def _grant(row: Row[Any]) -> GrantOut:
    return GrantOut(**row._mapping, role_name=ROLE_NAMES[row.role], scope_name=SCOPE_NAMES[row.scope])


def _link(created: staff.Created) -> LinkOut:
    return LinkOut(id=created.staff_id, username=created.username, enrolment_token=created.token)
