"""One's own sessions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from api.access import allowed
from api.identity.errors import SessionNotFound
from api.identity.sessions import end_own_session, list_sessions
from api.identity.tokens import ExpiredToken, InvalidToken
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.sign_in import SessionOut, SessionsOut, SessionsParameters
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotSignedIn

router = APIRouter(tags=["identity"])

SIGNED_IN = (NotSignedIn, InvalidToken, ExpiredToken)


@router.get("/v1/me/sessions", responses=responses(*SIGNED_IN, InvalidCursor))
async def list_own_sessions(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("session.own")],
    asked: Annotated[SessionsParameters, Query()],
) -> SessionsOut:
    """Where this account is signed in, the youngest first."""
    assert actor.account_id is not None
    ring = runtime_of(request).ring
    query = f"sessions/{actor.account_id}".encode()
    after = read_one(query, asked.next, UUID)
    rows = await list_sessions(
        session, account_id=actor.account_id, after=after, limit=asked.limit + 1, now=clock.now()
    )
    shown = rows[: asked.limit]
    return SessionsOut(
        items=[
            SessionOut(
                id=row.id,
                channel=row.channel,
                device=None
                if row.device is None
                else ring.decrypt("account_session.device", row.id, row.device),
                created_at=row.created_at,
                seen_at=row.seen_at,
                expires_at=row.expires_at,
                current=row.id == actor.session_id,
            )
            for row in shown
        ],
        next=next_cursor(query, rows, asked.limit, lambda one: [one.id]),
    )


@router.delete(
    "/v1/me/sessions/{session_id}",
    status_code=204,
    responses=responses(*SIGNED_IN, SessionNotFound, *LIMIT_ERRORS),
    dependencies=[limited("refresh")],
)
async def end_one(
    session: Session, actor: Annotated[Actor, allowed("session.own")], session_id: UUID
) -> None:
    """Sign a device out; within 5 s it is not let in any more."""
    assert actor.account_id is not None
    await end_own_session(session, account_id=actor.account_id, session_id=session_id, now=clock.now())
