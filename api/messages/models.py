"""The table of messages to deliver."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Message(Base):
    """A template and its parameters for one recipient.

    ``channel`` says how it travels, and so what ``recipient`` is: a phone (E.164) for ``sms``. ``failure`` is a short
    code of why the last attempt failed. ``parameters`` is a JSON object of texts.
    """

    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint("channel in ('sms')", name="channel"),
        CheckConstraint("state in ('waiting', 'sent', 'dead')", name="state"),
        CheckConstraint("(state = 'waiting') = (finished_at is null)", name="finished"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("message_next_try_at_idx", "next_try_at", postgresql_where="state = 'waiting'"),
        Index("message_finished_at_idx", "finished_at", postgresql_where="state <> 'waiting'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    channel: Mapped[str]
    template: Mapped[str]
    recipient: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "message.recipient"})
    parameters: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "message.parameters"})
    state: Mapped[str] = mapped_column(server_default="waiting")
    tries: Mapped[int] = mapped_column(server_default="0")
    failure: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    next_try_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
