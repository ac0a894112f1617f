"""Who may act for whom, and who asked to."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from booking.people.models.person import encrypted
from core.database import Base
from core.ids import new_id

RELATIONS = ("child", "spouse", "parent", "sibling", "relative", "neighbour", "carer", "guardian", "other")
SCOPES = ("book.meal", "book.clinic", "book.all", "view")
_RELATIONS = ", ".join(f"'{relation}'" for relation in RELATIONS)
_SCOPES = ", ".join(f"'{scope}'" for scope in SCOPES)


class PersonRequest(Base):
    """An account says who somebody is and asks to act for them, or to be them (``relation`` self).

    What was typed stays here until it is proven, so that nobody learns from the answer whether the person is known,
    and nobody's record is touched. Gone once settled or after a few days. ``code_phone`` is where the code went, if
    one did.
    """

    __tablename__ = "person_request"
    __table_args__ = (
        CheckConstraint(f"relation in ('self', {_RELATIONS})", name="relation"),
        CheckConstraint(f"scopes <@ array[{_SCOPES}]::varchar[]", name="scopes"),
        CheckConstraint("(relation = 'self') = (until_on is null)", name="until_on"),
        Index("person_request_account_id_idx", "account_id", "requested_at"),
        Index("person_request_id_number_blind_idx", "id_number_blind"),
        Index("person_request_requested_at_idx", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    relation: Mapped[str]
    name: Mapped[bytes] = mapped_column(LargeBinary, info=encrypted("person_request.name"))
    id_kind: Mapped[str]
    id_number: Mapped[bytes] = mapped_column(
        LargeBinary, info=encrypted("person_request.id_number", "id_number_blind")
    )
    id_number_blind: Mapped[bytes] = mapped_column(LargeBinary)
    birth_on: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person_request.birth_on"))
    sex: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person_request.sex"))
    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person_request.phone"))
    code_phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person_request.code_phone"))
    home_area_id: Mapped[UUID | None] = mapped_column(ForeignKey("area.id"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    purpose: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person_request.purpose"))
    until_on: Mapped[date | None]
    requested_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    code_asked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Delegation(Base):
    """A person (grantor) lets an account (grantee) act for them: how far, what for, until when.

    ``until_on`` is the last day; a delegation past it counts for nothing, whatever ``state`` says. ``way``: how it was
    accepted: by a ``code`` to the grantor's phone, by the grantee in the ``app``, by a ``callback`` or at the ``desk``
    (with reason, witness and who recorded it), or by a ``register`` (guardians). While it is offered to a phone,
    ``grantee_phone`` says which.
    """

    __tablename__ = "delegation"
    __table_args__ = (
        CheckConstraint(f"relation in ({_RELATIONS})", name="relation"),
        CheckConstraint(f"scopes <@ array[{_SCOPES}]::varchar[] and cardinality(scopes) > 0", name="scopes"),
        CheckConstraint("state in ('pending', 'active', 'declined', 'revoked')", name="state"),
        CheckConstraint("way in ('code', 'app', 'callback', 'desk', 'register')", name="way"),
        CheckConstraint(
            "(grantee_phone is null) = (grantee_phone_blind is null)"
            " and (state = 'pending' or grantee_phone is null)",
            name="grantee_phone",
        ),
        CheckConstraint("grantee_id is not null or state <> 'active'", name="grantee"),
        CheckConstraint("ended_by in ('grantor', 'grantee', 'staff', 'system')", name="ended_by"),
        # One live delegation for each pair.
        Index(
            "delegation_person_id_grantee_id_key",
            "person_id",
            "grantee_id",
            unique=True,
            postgresql_where="state = 'active'",
        ),
        Index("delegation_grantee_id_idx", "grantee_id", postgresql_where="state = 'active'"),
        Index(
            "delegation_grantee_phone_blind_idx", "grantee_phone_blind", postgresql_where="state = 'pending'"
        ),
        Index("delegation_person_id_idx", "person_id", "offered_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    grantee_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    grantee_phone: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=encrypted("delegation.grantee_phone", "grantee_phone_blind")
    )
    grantee_phone_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    relation: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String))
    purpose: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("delegation.purpose"))
    until_on: Mapped[date]
    state: Mapped[str] = mapped_column(server_default="pending")
    way: Mapped[str | None]
    offered_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    accepted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    witnessed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("delegation.reason"))
    witness: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("delegation.witness"))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_by: Mapped[str | None]
