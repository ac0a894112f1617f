"""Who is served, and what is known of them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

ID_KINDS = ("id_card", "foreign_permanent_resident", "passport", "hk_macau_permit", "taiwan_permit")


def encrypted(field: str, blind: str | None = None) -> dict[str, str]:
    """``info`` of a column that a key ring encrypts; ``blind``: the column that finds it."""
    return {"encrypted": field} | ({"blind": blind} if blind else {})


class Person(Base):
    """Somebody served, whether or not they sign in; ``account_id``: the account of their own.

    Birth date and sex are kept only of those whose document does not say them; a resident ID number does, and then
    they are derived when read, so that they cannot contradict it. An erased person keeps the row and the id, for what
    refers to it, and nothing that identifies.

    ``verification``: who vouches for name and document: ``checksum`` (nobody, only the form is right), ``phone`` (the
    phone on record answered), ``desk`` (staff saw the document), ``webhook`` (a register confirmed it).
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("id_kind in (" + ", ".join(f"'{kind}'" for kind in ID_KINDS) + ")", name="id_kind"),
        CheckConstraint("(phone is null) = (phone_blind is null)", name="phone"),
        CheckConstraint("(name is null) = (name_blind is null)", name="name"),
        CheckConstraint(
            "(id_number is null) = (id_number_blind is null) and (id_number is null) = (id_kind is null)",
            name="id_number",
        ),
        CheckConstraint("(erased_at is null) = (name is not null)", name="erased"),
        CheckConstraint("erased_at is null or (id_number is null and phone is null)", name="erased_all"),
        CheckConstraint(
            "verification in ('checksum', 'phone', 'desk', 'webhook')"
            " and (verification is null) = (verified_at is null)",
            name="verification",
        ),
        CheckConstraint("version >= 1", name="version"),
        Index("person_account_id_key", "account_id", unique=True, postgresql_where="account_id is not null"),
        Index(
            "person_id_number_blind_key",
            "id_number_blind",
            unique=True,
            postgresql_where="id_number_blind is not null",
        ),
        Index("person_phone_blind_idx", "phone_blind", postgresql_where="phone_blind is not null"),
        Index("person_name_blind_idx", "name_blind", postgresql_where="name_blind is not null"),
        Index("person_home_area_id_idx", "home_area_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    name: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person.name", "name_blind"))
    name_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    id_kind: Mapped[str | None]
    id_number: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=encrypted("person.id_number", "id_number_blind")
    )
    id_number_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    birth_on: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person.birth_on"))
    sex: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person.sex"))
    phone: Mapped[bytes | None] = mapped_column(LargeBinary, info=encrypted("person.phone", "phone_blind"))
    phone_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    home_area_id: Mapped[UUID | None] = mapped_column(ForeignKey("area.id"))
    verification: Mapped[str | None]
    verified_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    verified_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    erased_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")


class PersonTag(Base):
    """Something staff granted a person, with evidence and an end: 经济困难, 残疾, … (``data/tags.yaml``).

    Rows stay when a tag is taken back or runs out: they are the history. ``until_on`` is the last day it counts.
    """

    __tablename__ = "person_tag"
    __table_args__ = (
        CheckConstraint("from_on <= until_on", name="dates"),
        CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
        Index("person_tag_person_id_idx", "person_id", "tag"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    tag: Mapped[str]
    evidence: Mapped[bytes] = mapped_column(LargeBinary, info=encrypted("person_tag.evidence"))
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    granted_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    granted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoke_reason: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=encrypted("person_tag.revoke_reason")
    )
