"""The audit record: searched by auditors, and what of it concerns oneself."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query

from api.access import allowed
from api.identity.tokens import ExpiredToken, InvalidToken
from api.people.accesses import accesses_query, role_names, words_of
from api.problems import responses
from api.runtime import Session
from api.schemas.audit import (
    AccessesPage,
    AccessesParameters,
    AccessOut,
    AuditEntryOut,
    AuditPage,
    AuditParameters,
)
from core import clock
from core.actor import Actor
from core.audit import AuditEntry, record
from core.audit.search import Sought, entries_query
from core.errors import InvalidCursor
from core.paging import next_cursor, read_cursor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter()


@router.get(
    "/v1/staff/audit",
    tags=["staff"],
    responses=responses(NotSignedIn, InvalidToken, ExpiredToken, NotAllowed, InvalidCursor),
)
async def search_audit(
    session: Session,
    actor: Annotated[Actor, allowed("audit.read")],
    asked: Annotated[AuditParameters, Query()],
) -> AuditPage:
    """Who read or changed what about whom and why, the youngest first. The search itself is on record."""
    filters = asked.model_dump(mode="json", exclude={"next", "limit"}, exclude_none=True, by_alias=True)
    query = b"audit" + orjson.dumps(filters)
    sought = Sought(
        person_id=asked.person_id,
        account_id=asked.account_id,
        action=asked.action,
        object_kind=asked.object_kind,
        object_id=asked.object_id,
        since=asked.from_,
        until=asked.to,
    )
    found = list(
        await session.scalars(entries_query(sought, before=_before(query, asked.next), limit=asked.limit + 1))
    )
    shown = found[: asked.limit]
    await record(
        session,
        actor,
        action="audit.read",
        object_kind="audit",
        person_ids=[] if asked.person_id is None else [asked.person_id],
        detail={"filters": filters, "found": len(shown)},
        now=clock.now(),
    )
    items = [
        AuditEntryOut(
            id=one.id,
            at=one.at,
            actor=one.actor,
            account_id=one.account_id,
            roles=_roles(one),
            channel=one.channel,
            action=one.action,
            object_kind=one.object_kind,
            object_id=one.object_id,
            person_id=one.person_id,
            reason=one.reason,
            request_id=one.request_id,
            detail=one.detail,
        )
        for one in shown
    ]
    return AuditPage(items=items, next=next_cursor(query, found, asked.limit, _place))


@router.get(
    "/v1/me/accesses",
    tags=["people"],
    responses=responses(NotSignedIn, InvalidToken, ExpiredToken, InvalidCursor),
)
async def list_accesses(
    session: Session,
    actor: Annotated[Actor, allowed("account.own")],
    asked: Annotated[AccessesParameters, Query()],
) -> AccessesPage:
    """Who looked at your data or changed it: when, in which role, at which office, and why."""
    query = f"accesses/{actor.account_id}".encode()
    found = (
        await session.execute(accesses_query(actor, before=_before(query, asked.next), limit=asked.limit + 1))
    ).all()
    shown = found[: asked.limit]
    items = []
    for entry, office in shown:
        roles, (zh, en) = _roles(entry), words_of(entry.action)
        items.append(
            AccessOut(
                at=entry.at,
                roles=roles,
                role_names=role_names(roles),
                office=office,
                channel=entry.channel,
                action=entry.action,
                what_zh=zh,
                what_en=en,
                reason=entry.reason,
            )
        )
    following = next_cursor(query, found, asked.limit, lambda row: _place(row[0]))
    return AccessesPage(items=items, next=following)


def _roles(entry: AuditEntry) -> list[str]:
    return entry.roles.split() if entry.roles else []


def _before(query: bytes, cursor: str | None) -> tuple[datetime, UUID] | None:
    key = read_cursor(query, cursor, datetime.fromisoformat, UUID)
    return None if key is None else (key[0], key[1])


def _place(entry: AuditEntry) -> tuple[datetime, UUID]:
    return entry.at, entry.id
