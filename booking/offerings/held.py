"""One offering, template or slot in the hands of staff: found, allowed, locked, and its change on record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import OfferingNotFound, SlotNotFound
from booking.models import Offering, OfferingTemplate, Slot
from booking.offerings.errors import OfferingChanged, TemplateChanged, TemplateNotFound
from booking.people.dates import ZONE
from core.actor import Actor
from core.audit import AuditEntry, record
from core.errors import Outdated
from core.permissions import Place, covers, require, require_at
from geo.sites.places import find_place

ACTION = "offering.manage"
MOST_TOLD = 20


@dataclass(frozen=True)
class HeldOffering:
    """An offering as it was read, and where it is; locked until the transaction ends if it was asked for."""

    offering: Offering
    place: Place


@dataclass(frozen=True)
class HeldTemplate:
    """A template and its offering, both locked."""

    template: OfferingTemplate
    offering: Offering
    place: Place


@dataclass(frozen=True)
class HeldSlot:
    """A slot and its offering; the slot is locked if it was asked for."""

    slot: Slot
    offering: Offering
    place: Place


async def hold_offering(
    session: AsyncSession, actor: Actor, *, offering_id: UUID, version: int | None = None, lock: bool = True
) -> HeldOffering:
    """The offering, which ``actor`` may manage and which still has ``version``, if one is given.

    Raises OfferingNotFound, also for another's draft; NotSignedIn, NotAllowed, OfferingChanged.
    """
    require(actor, ACTION)
    query = select(Offering).where(Offering.id == offering_id).execution_options(populate_existing=True)
    # Bookings refer to the offering: FOR NO KEY UPDATE lets their foreign keys pass.
    offering = await session.scalar(query.with_for_update(key_share=True) if lock else query)
    place = None if offering is None else await find_place(session, site_id=offering.site_id)
    if offering is None or place is None or (offering.status == "draft" and not covers(actor, ACTION, place)):
        raise OfferingNotFound("请核对项目编号。", "Check its id.")
    require_at(actor, ACTION, place)
    if version is not None and version != offering.version:
        raise await _outdated(session, OfferingChanged, "offering", offering, version)
    return HeldOffering(offering, place)


async def hold_template(
    session: AsyncSession, actor: Actor, *, template_id: UUID, version: int | None = None
) -> HeldTemplate:
    """The template with its offering. Raises TemplateNotFound, NotSignedIn, NotAllowed, TemplateChanged."""
    require(actor, ACTION)
    offering_id = await session.scalar(
        select(OfferingTemplate.offering_id).where(OfferingTemplate.id == template_id)
    )
    if offering_id is None:
        raise TemplateNotFound("请核对模板编号。", "Check its id.")
    held = await hold_offering(session, actor, offering_id=offering_id)
    template = await session.scalar(
        select(OfferingTemplate)
        .where(OfferingTemplate.id == template_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    assert template is not None
    if version is not None and version != template.version:
        raise await _outdated(session, TemplateChanged, "offering_template", template, version)
    return HeldTemplate(template, held.offering, held.place)


async def hold_slot(session: AsyncSession, actor: Actor, *, slot_id: UUID, lock: bool = True) -> HeldSlot:
    """The slot with its offering. Raises SlotNotFound, NotSignedIn, NotAllowed."""
    require(actor, ACTION)
    query = select(Slot).where(Slot.id == slot_id).execution_options(populate_existing=True)
    slot = await session.scalar(query.with_for_update(key_share=True) if lock else query)
    if slot is None:
        raise SlotNotFound("请刷新后重选时段。", "Refresh and choose again.")
    held = await hold_offering(session, actor, offering_id=slot.offering_id, lock=False)
    return HeldSlot(slot, held.offering, held.place)


async def record_change(
    session: AsyncSession,
    actor: Actor,
    *,
    object_kind: str,
    object_id: UUID,
    act: str,
    version: int | None = None,
    fields: Sequence[str] = (),
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write what was done into the audit record; also what others are told who edit an older version."""
    said: dict[str, Any] = {"act": act, **({} if version is None else {"version": version}), **(detail or {})}
    if fields:
        said["fields"] = list(fields)
    await record(
        session,
        actor,
        action=ACTION,
        object_kind=object_kind,
        object_id=object_id,
        reason=reason,
        detail=said,
        now=now,
    )


async def _outdated(
    session: AsyncSession,
    error: type[Outdated],
    object_kind: str,
    row: Offering | OfferingTemplate,
    version: int,
) -> Outdated:
    """What others did since ``version``, for the caller to compare with what they meant to write."""
    entries = await session.scalars(
        select(AuditEntry)
        .where(
            AuditEntry.object_kind == object_kind,
            AuditEntry.object_id == str(row.id),
            AuditEntry.action == ACTION,
            AuditEntry.detail["version"].as_integer() > version,
        )
        .order_by(AuditEntry.at.desc())
        .limit(MOST_TOLD)
    )
    later = sorted((one for one in entries if one.detail), key=lambda one: (one.detail or {})["version"])
    fields = sorted({field for one in later for field in (one.detail or {}).get("fields", ())})
    return error(
        f"您看到的是第 {version} 版，现在是第 {row.version} 版。请对照 changes 中别人的修改，重新读取后再改。",
        f"You have version {version}; it is now {row.version}. Compare `changes`, read it again and edit that.",
        version=row.version,
        changed_by=[
            {
                "version": (one.detail or {})["version"],
                "at": one.at.astimezone(ZONE).isoformat(),
                "act": (one.detail or {})["act"],
                "roles": one.roles,
            }
            for one in later
        ],
        changes={field: {"now": _plain(getattr(row, field, None))} for field in fields},
    )


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | list | dict) else str(value)
