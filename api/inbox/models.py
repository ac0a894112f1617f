"""Inboxes and what lies in them, text messages about it, people whom nothing reaches, and calendar feeds."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Inbox(Base):
    """An account's. ``last_number`` is counted up under the row's lock, so numbers come in the order of commits and have
    no gaps; up to ``read_to`` they were read. ``sms``: about what the account wants text messages besides."""

    __tablename__ = "inbox"
    __table_args__ = (
        CheckConstraint("sms in ('all', 'important', 'none')", name="sms"),
        CheckConstraint("read_to between 0 and last_number", name="read_to"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")
    read_to: Mapped[int] = mapped_column(server_default="0")
    sms: Mapped[str] = mapped_column(server_default="important")


class InboxEvent(Base):
    """What an account was told. ``body`` is a JSON object: both languages' title and text, and what they are about.

    The key is an id, as values are bound to one; readers go by account and number. Once for each account and event,
    whoever passes it on. ``message_id``: the text message about the same, to the account or else to the person.
    """

    __tablename__ = "inbox_event"
    __table_args__ = (
        Index("inbox_event_account_id_number_key", "account_id", "number", unique=True),
        Index("inbox_event_event_id_account_id_key", "event_id", "account_id", unique=True),
        Index("inbox_event_person_id_idx", "person_id", postgresql_where="person_id is not null"),
        Index("inbox_event_created_at_idx", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    number: Mapped[int]
    event_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"))
    body: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "inbox_event.body"})
    message_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class EventMessage(Base):
    """What became of a text message about an event; it stays when the message itself is gone. ``id`` is the message's.

    ``account_id`` null: to the person's own phone. ``person_id``: who shall learn of it; null in those to others who act
    for the person. ``important``: somebody visits when it does not arrive. ``settled``: nothing is left to be done.
    """

    __tablename__ = "event_message"
    __table_args__ = (
        CheckConstraint("state in ('waiting', 'sent', 'dead')", name="state"),
        Index(
            "event_message_unsettled_idx",
            "id",
            postgresql_where="state = 'dead' and not settled",
        ),
        Index("event_message_account_id_idx", "account_id", postgresql_where="account_id is not null"),
        Index("event_message_person_id_idx", "person_id", postgresql_where="person_id is not null"),
        Index("event_message_created_at_idx", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="waiting")
    important: Mapped[bool]
    settled: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class OutreachTask(Base):
    """Somebody must be told by a person (上门或电话告知), since no message reaches them.

    ``reason``: ``no_way`` (neither account nor phone) or ``undelivered``. ``body`` is what to say, as in InboxEvent.
    Worth doing until ``due_at``.
    """

    __tablename__ = "outreach_task"
    __table_args__ = (
        CheckConstraint("reason in ('no_way', 'undelivered')", name="reason"),
        CheckConstraint("state in ('open', 'done')", name="state"),
        CheckConstraint(
            "(state = 'done') = (done_at is not null) and (state = 'done' or note is null)", name="done"
        ),
        Index("outreach_task_event_id_person_id_key", "event_id", "person_id", unique=True),
        Index("outreach_task_state_due_at_idx", "state", "due_at", "id"),
        Index("outreach_task_person_id_idx", "person_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[UUID]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id", ondelete="SET NULL"))
    kind: Mapped[str]
    reason: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "outreach_task.body"})
    due_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    state: Mapped[str] = mapped_column(server_default="open")
    note: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "outreach_task.note"})
    done_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    done_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class CalendarFeed(Base):
    """The secret address of an account's calendar, as a digest: whoever knows it reads the account's reservations."""

    __tablename__ = "calendar_feed"
    __table_args__ = (Index("calendar_feed_digest_key", "digest", unique=True),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
