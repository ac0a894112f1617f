"""Ways to reach somebody besides the inbox: which text message goes where, and when a person must visit instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.facts import YOU_EN, YOU_ZH, About, moment
from api.inbox.models import EventMessage, OutreachTask
from api.inbox.words import IMPORTANT, NEEDED, SAID_AT_THE_DESK, VISITED
from api.messages.outbox import send_message
from booking.people.models import Account
from booking.people.persons import phone_of_account, phone_of_person
from booking.recording.targets import DESK_CHANNELS
from core.ids import new_id
from core.keyring import KeyRing

# A text message that has not left by then says nothing new.
STALE = timedelta(days=1)
# A visit about something without a time of its own.
VISIT_WITHIN = timedelta(days=3)
# These are over at an instant of their own, and not worth a text message afterwards.
PASSING = frozenset({"reservation_reminder", "waitlist_offer", "reservation_held"})
# Done without them, though it was the desk that once booked.
DONE_LATER = frozenset({"standing", "slot_closed", "hold_over"})


def ends_at(about: About) -> datetime | None:
    """Until when it is of use to be told."""
    if about.event.kind in ("waitlist_offer", "reservation_held"):
        return about.expires_at
    return about.starts_at


def wants_text(kind: str, sms: str) -> bool:
    """Whether an account that chose ``sms`` gets a text message."""
    return sms == "all" or (sms == "important" and kind in IMPORTANT)


@dataclass(frozen=True, slots=True)
class Texting:
    """Sends text messages about events within ``session``."""

    session: AsyncSession
    ring: KeyRing
    now: datetime

    async def to_account(
        self, about: About, account: Account, sms: str, *, to_person: bool
    ) -> EventMessage | None:
        """To the phone of ``account``, if it wants it and has one."""
        if not wants_text(about.event.kind, sms):
            return None
        phone = phone_of_account(self.ring, account)
        if phone is None and to_person and about.person is not None:
            phone = phone_of_person(self.ring, about.person)
        return await self._send(about, phone, account=account, language=account.language, to_person=to_person)

    async def to_person(self, about: About) -> EventMessage | None:
        """To the phone of somebody without an account, who has no other way to learn of it."""
        if about.person is None or about.event.kind not in NEEDED:
            return None
        phone = phone_of_person(self.ring, about.person)
        return await self._send(about, phone, account=None, language="zh-CN", to_person=True)

    async def _send(
        self, about: About, phone: str | None, *, account: Account | None, language: str, to_person: bool
    ) -> EventMessage | None:
        until, kind = ends_at(about), about.event.kind
        is_over = kind in PASSING and until is not None and until <= self.now
        if phone is None or is_over or about.is_overtaken:
            return None
        expires_at = self.now + STALE if until is None or until <= self.now else min(until, self.now + STALE)
        english = language.startswith("en")
        message_id = await send_message(
            self.session,
            self.ring,
            phone=phone,
            template=f"{kind}_en" if english else kind,
            parameters=parameters_of(about, english=english, to_person=to_person),
            expires_at=expires_at,
            now=self.now,
        )
        told = EventMessage(
            id=message_id,
            event_id=about.event.id,
            account_id=None if account is None else account.id,
            person_id=about.event.person_id if to_person else None,
            state="waiting",
            important=to_person and kind in (VISITED if account is None else IMPORTANT & VISITED),
            settled=False,
            created_at=self.now,
        )
        self.session.add(told)
        return told


def parameters_of(about: About, *, english: bool, to_person: bool) -> Mapping[str, str]:
    """Of the template: ``who``, ``what``, ``where``, ``when``, ``until``, ``dates``, ``code``; those that are known."""
    zone, side = about.zone, int(english)
    said = {"who": (YOU_ZH, YOU_EN)[side] if to_person else about.masked}
    if about.offering is not None and about.site is not None:
        said["what"] = (english and about.offering.title_en) or about.offering.title
        said["where"] = (english and about.site.name_en) or about.site.name
    if about.starts_at is not None:
        said["when"] = moment(about.starts_at, zone)[side]
    if about.expires_at is not None and about.event.kind in ("waitlist_offer", "reservation_held"):
        said["until"] = moment(about.expires_at, zone)[side]
    if about.dates is not None:
        said["dates"] = about.dates[side]
    if about.reservation is not None:
        said["code"] = about.reservation.code
    return said


def was_said(about: About) -> bool:
    """Whether a clerk did it for them at the desk or on the telephone, and so has told them."""
    one = about.reservation
    return (
        one is not None
        and one.channel in DESK_CHANNELS
        and about.event.kind in SAID_AT_THE_DESK
        and about.event.data.get("why") not in DONE_LATER
    )


def visit(ring: KeyRing, about: About, *, reason: str, body: bytes, now: datetime) -> OutreachTask | None:
    """A task to tell the person; None when that is of no use. ``body`` as JSON, not yet encrypted."""
    due_at = ends_at(about) or now + VISIT_WITHIN
    if about.person is None or about.person.erased_at is not None or about.is_overtaken:
        return None
    if about.event.kind not in VISITED or was_said(about) or due_at <= now:
        return None
    task_id = new_id()
    return OutreachTask(
        id=task_id,
        event_id=about.event.id,
        person_id=about.person.id,
        site_id=None if about.site is None else about.site.id,
        kind=about.event.kind,
        reason=reason,
        body=ring.encrypt("outreach_task.body", task_id, body.decode()),
        due_at=due_at,
        created_at=now,
    )


async def add_visit(session: AsyncSession, task: OutreachTask | None) -> None:
    """Put ``task`` down, unless there is one about the same."""
    if task is None:
        return
    columns = OutreachTask.__table__.columns
    values = {one.name: getattr(task, one.name) for one in columns if one.name != "state"}
    await session.execute(
        insert(OutreachTask).values(values).on_conflict_do_nothing(index_elements=["event_id", "person_id"])
    )
