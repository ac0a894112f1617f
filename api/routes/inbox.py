"""One's messages: asked for, waited for, or streamed; and how to be told."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.access import allowed
from api.conditional import NO_STORE, private
from api.idempotency import ONCE_ERRORS, Once
from api.identity.ended import SessionsUnknown
from api.identity.tokens import ExpiredToken, InvalidToken
from api.inbox.reading import Item, Page, choose, mark_read, read_choices, read_inbox
from api.inbox.wakes import InboxCrowded, TooManyWaiting, Waiting, Wakes
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Runtime, Session, runtime_of
from api.schemas.inbox import (
    HIGHEST,
    InboxOut,
    InboxParameters,
    ItemOut,
    NotificationsIn,
    NotificationsOut,
    ReadIn,
    SiteNameOut,
    SmsOut,
    StreamParameters,
    UnreadOut,
)
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["inbox"])
Own = Annotated[Actor, allowed("inbox.own")]
DENIED = (NotSignedIn, NotAllowed)
WAITS = (InboxCrowded, TooManyWaiting)
# An ended session must stop within 5 s.
CHECK_SECONDS = 1.5
HEARTBEAT_SECONDS = 15.0
# A stream ends by itself and is asked for again: balancers and phones cut older ones without a word.
STREAM_SECONDS = 600.0
AT_ONCE = 100
AWAY_MS = 3_000
EVENTS: dict[int | str, dict[str, object]] = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "events, each an ItemOut",
    }
}


@router.get("/v1/inbox", response_model=InboxOut, responses=responses(*DENIED, *WAITS))
async def show_inbox(request: Request, actor: Own, asked: Annotated[InboxParameters, Query()]) -> Response:
    """Messages behind `after`. With `wait` the answer comes when there is one, or when the time is over.

    While it waits it holds no connection to the database.
    """
    runtime, account_id = runtime_of(request), _account(actor)
    if not asked.wait:
        return private(_page_out(await _read(runtime, account_id, asked.after, asked.limit), asked.after))
    until = monotonic() + asked.wait
    wakes = wakes_of(request)
    with wakes.waiting(account_id, after=asked.after) as waiting:
        page = await _read(runtime, account_id, asked.after, asked.limit)
        while not page.items and not wakes.leaving and (left := until - monotonic()) > 0:
            woken = await waiting.sleep(min(left, CHECK_SECONDS))
            _check_session(request, runtime)
            if woken:
                page = await _read(runtime, account_id, asked.after, asked.limit)
    return private(_page_out(page, asked.after))


@router.get(
    "/v1/inbox/stream",
    response_class=Response,
    responses={**responses(*DENIED, *WAITS), **EVENTS},
)
async def stream_inbox(
    request: Request,
    actor: Own,
    asked: Annotated[StreamParameters, Query()],
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Server-sent events, each a message with its number as id; connect again with `Last-Event-ID` and none is lost.

    It ends with the session or the token, and by itself after some minutes.
    """
    after = asked.after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = min(int(last_event_id), HIGHEST)
    return EventStream(request, wakes_of(request), _account(actor), after)


class EventStream(StreamingResponse):
    """The events of one inbox. It counts among those who wait before its head is sent, so that it can still be refused."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, wakes: Wakes, account_id: UUID, after: int) -> None:
        super().__init__(iter(()), headers={**NO_STORE, "X-Accel-Buffering": "no"})
        self._request, self._wakes = request, wakes
        self._account_id, self._after = account_id, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises InboxCrowded, TooManyWaiting."""
        with self._wakes.waiting(self._account_id, after=self._after) as waiting:
            self.body_iterator = self._events(waiting)
            await super().__call__(scope, receive, send)

    async def _events(self, waiting: Waiting) -> AsyncIterator[bytes]:
        runtime = runtime_of(self._request)
        until = monotonic() + STREAM_SECONDS
        spoke = monotonic()
        yield f"retry: {AWAY_MS}\n\n".encode()
        read = True
        while not self._wakes.leaving and monotonic() < until and _is_signed_in(self._request, runtime):
            while read:
                page = await _read(runtime, self._account_id, waiting.after, AT_ONCE)
                for one in page.items:
                    yield _event(one)
                    waiting.after, spoke = one.number, monotonic()
                # A number from elsewhere would hide what comes.
                waiting.after = min(waiting.after, page.last)
                read = len(page.items) == AT_ONCE
            if monotonic() - spoke >= HEARTBEAT_SECONDS:
                yield b": still here\n\n"
                spoke = monotonic()
            read = await waiting.sleep(CHECK_SECONDS)


@router.post(
    "/v1/inbox/read",
    dependencies=[limited("writes")],
    response_model=UnreadOut,
    responses=responses(*LIMIT_ERRORS, *ONCE_ERRORS, *DENIED),
)
async def read_up_to(actor: Own, session: Session, once: Once, body: ReadIn) -> Response:
    """All messages up to a number were read; how many are unread."""
    return await once.answer(UnreadOut(unread=await mark_read(session, actor, up_to=body.up_to)))


@router.get("/v1/me/notifications", responses=responses(*DENIED))
async def show_notifications(actor: Own, session: Session) -> NotificationsOut:
    """About what I get text messages, and in which language."""
    sms, language = await read_choices(session, actor)
    return NotificationsOut(sms=sms, language=language)


@router.put(
    "/v1/me/notifications",
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED),
)
async def put_notifications(actor: Own, session: Session, body: NotificationsIn) -> NotificationsOut:
    """Choose both. Messages to the inbox come in any case."""
    await choose(session, actor, sms=body.sms, language=body.language)
    return NotificationsOut(sms=body.sms, language=body.language)


def wakes_of(request: Request) -> Wakes:
    """The process' own; it begins with the first who waits."""
    state = request.app.state
    wakes: Wakes | None = getattr(state, "wakes", None)
    if wakes is None:
        runtime = runtime_of(request)
        wakes = state.wakes = Wakes(runtime.redis, runtime.database)
        wakes.start()
    return wakes


def _account(actor: Actor) -> UUID:
    if actor.account_id is None:
        raise NotSignedIn("请登录后再试。", "Sign in and try again.")
    return actor.account_id


async def _read(runtime: Runtime, account_id: UUID, after: int, limit: int) -> Page:
    return await read_inbox(runtime.database, runtime.ring, account_id=account_id, after=after, limit=limit)


def _check_session(request: Request, runtime: Runtime) -> None:
    """Raises InvalidToken, ExpiredToken, SessionsUnknown, as at the beginning."""
    token = request.headers["authorization"].partition(" ")[2].strip()
    now = clock.now()
    runtime.ended.check(runtime.tokens.verify(token, now=now), now=now)


def _is_signed_in(request: Request, runtime: Runtime) -> bool:
    try:
        _check_session(request, runtime)
    except (InvalidToken, ExpiredToken, SessionsUnknown):
        return False
    return True


def _event(one: Item) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (one.number, _item_out(one).model_dump_json().encode())


def _page_out(page: Page, after: int) -> InboxOut:
    return InboxOut(
        items=[_item_out(one) for one in page.items],
        next=page.items[-1].number if page.items else min(after, page.last),
        last=page.last,
        unread=page.unread,
    )


def _item_out(one: Item) -> ItemOut:
    body = one.body
    sms = None
    if one.sms is not None:
        to = "me" if one.sms_to_me else "person"
        sms = SmsOut.model_validate({"to": to, "state": one.sms})
    return ItemOut.model_validate(
        {
            "number": one.number,
            "id": one.event_id,
            "kind": one.kind,
            "at": one.at,
            "subject_id": one.subject_id,
            "person_id": one.person_id,
            "about_me": body["to_self"],
            "site": body["site"] and SiteNameOut.model_validate(body["site"]),
            "sms": sms,
            **{
                name: body[name]
                for name in (
                    "title_zh",
                    "title_en",
                    "text_zh",
                    "text_en",
                    "person",
                    "starts_at",
                    "ends_at",
                    "data",
                )
            },
        }
    )
