"""Ratings are given by residents after a visit, entered at the desk or from paper, and each counts once (满意度评价)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.feedback.errors import (
    AlreadyRated,
    RatingFinal,
    RatingInFuture,
    RatingNotFound,
    SheetEntered,
    SheetNotFound,
    UnknownService,
)
from booking.feedback.models import Rating, RatingSheet
from booking.feedback.texts import seal
from booking.feedback.visits import require_visit
from core.actor import Actor
from core.audit import record
from core.ids import new_id
from core.keyring import KeyRing
from core.permissions import require, require_at, scopes
from geo.models import Service, Site
from geo.published import require_published
from geo.sites.places import place_of, scope_condition

OWN = "rating.own"
COLLECT = "rating.collect"


async def rate(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    reservation_id: UUID | None,
    level: int,
    service: str | None = None,
    tags: Sequence[str] = (),
    text: str | None = None,
    zone: str,
    now: datetime,
) -> Rating:
    """What an account says of a visit to a site, its own or of somebody it acts for; ``service`` by its name.

    Raises SiteNotFound, UnknownService, ReservationNotFound, NotVisited, AlreadyRated.
    """
    require(actor, OWN)
    await require_published(session, site_id=site_id, in_use=True)
    await _require_service(session, site_id, service)
    visit = await require_visit(session, actor, reservation_id=reservation_id, site_id=site_id, now=now)
    row_id, today = new_id(), now.astimezone(ZoneInfo(zone)).date()
    # The unique index decides, also between two requests at once (rating_reservation_id_key).
    kept = await session.scalar(
        insert(Rating)
        .values(
            id=row_id,
            site_id=site_id,
            service=service,
            level=level,
            count=1,
            tags=list(tags),
            text=seal(ring, "rating.text", row_id, text),
            channel=actor.channel,
            rated_on=today,
            created_at=now,
            account_id=actor.account_id,
            person_id=visit.person_id,
            reservation_id=visit.id,
        )
        .on_conflict_do_nothing()
        .returning(Rating.id)
    )
    if kept is None:
        earlier = await session.scalar(
            select(Rating.id).where(Rating.reservation_id == visit.id, Rating.account_id == actor.account_id)
        )
        raise AlreadyRated(
            "当天可以修改自己的评价：PUT /v1/ratings/{id}；下次服务后可以再评。",
            "Your own can be changed on the same day (PUT /v1/ratings/{id}); rate again after the next visit.",
            rating_id=earlier,
        )
    return await session.get_one(Rating, row_id)


async def change_rating(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    rating_id: UUID,
    level: int,
    service: str | None,
    tags: Sequence[str],
    text: str | None,
    zone: str,
    now: datetime,
) -> Rating:
    """Replace what one said earlier on the same day. Raises RatingNotFound, RatingFinal, UnknownService."""
    require(actor, OWN)
    rating = await session.scalar(
        select(Rating).where(Rating.id == rating_id, Rating.account_id == actor.account_id).with_for_update()
    )
    if rating is None:
        raise RatingNotFound("请核对编号。", "Check the number.")
    if rating.rated_on != now.astimezone(ZoneInfo(zone)).date():
        raise RatingFinal("下次服务后可以再评。", "Rate again after the next visit.")
    if service != rating.service:
        await _require_service(session, rating.site_id, service)
    rating.level, rating.service, rating.tags = level, service, list(tags)
    rating.text = seal(ring, "rating.text", rating.id, text)
    await session.flush()
    return rating


def own_ratings_query(
    account_id: UUID, *, site_id: UUID | None, after: UUID | None, limit: int
) -> Select[Rating]:
    """An account's own ratings, the newest first (rating_account_id_idx)."""
    query = select(Rating).where(Rating.account_id == account_id)
    if site_id is not None:
        query = query.where(Rating.site_id == site_id)
    if after is not None:
        query = query.where(Rating.id < after)
    return query.order_by(Rating.id.desc()).limit(limit)


async def collect_rating(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    level: int,
    channel: str,
    service: str | None = None,
    tags: Sequence[str] = (),
    text: str | None = None,
    zone: str,
    now: datetime,
) -> Rating:
    """A rating said at the desk (``counter``), by telephone, or on a single slip of paper, of nobody in particular.

    Raises SiteNotFound, NotAllowed outside the actor's scope, UnknownService.
    """
    await _require_collecting(session, actor, site_id)
    await _require_service(session, site_id, service)
    row_id = new_id()
    rating = Rating(
        id=row_id,
        site_id=site_id,
        service=service,
        level=level,
        count=1,
        tags=list(tags),
        text=seal(ring, "rating.text", row_id, text),
        channel=channel,
        rated_on=now.astimezone(ZoneInfo(zone)).date(),
        created_at=now,
        entered_by=actor.account_id,
    )
    session.add(rating)
    await session.flush()
    await _record(session, actor, "rating", rating.id, {"site_id": str(site_id)}, now)
    return rating


async def enter_sheet(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    rated_on: date,
    today: date,
    counts: Mapping[int, int],
    reference: str,
    service: str | None = None,
    now: datetime,
) -> RatingSheet:
    """A sheet of paper: how many ticked each level. ``reference`` stands on the sheet, which is entered once.

    Raises SiteNotFound, NotAllowed outside the actor's scope, RatingInFuture, UnknownService, SheetEntered.
    """
    await _require_collecting(session, actor, site_id)
    if rated_on > today:
        raise RatingInFuture(f"今天是 {today}，请核对日期。", f"Today is {today}; check the date.")
    await _require_service(session, site_id, service)
    sheet_id = await session.scalar(
        insert(RatingSheet)
        .values(
            id=new_id(),
            site_id=site_id,
            reference=reference,
            rated_on=rated_on,
            entered_by=actor.account_id,
            entered_at=now,
        )
        .on_conflict_do_nothing()  # rating_sheet_site_id_reference_key
        .returning(RatingSheet.id)
    )
    if sheet_id is None:
        earlier = await session.scalar(
            select(RatingSheet.id).where(RatingSheet.site_id == site_id, RatingSheet.reference == reference)
        )
        raise SheetEntered(
            "请核对表上的编号；录错了可以先撤销原来的录入。",
            "Check the reference on the sheet; what was entered wrongly can be taken back first.",
            sheet_id=earlier,
        )
    session.add_all(
        Rating(
            site_id=site_id,
            service=service,
            level=level,
            count=count,
            tags=[],
            channel="paper",
            rated_on=rated_on,
            created_at=now,
            sheet_id=sheet_id,
            entered_by=actor.account_id,
        )
        for level, count in sorted(counts.items())
        if count
    )
    await session.flush()
    await _record(session, actor, "rating_sheet", sheet_id, {"site_id": str(site_id)}, now)
    return await session.get_one(RatingSheet, sheet_id)


async def remove_sheet(session: AsyncSession, actor: Actor, *, sheet_id: UUID, now: datetime) -> None:
    """Take back a sheet that was entered wrongly, with its ratings; on record. Raises SheetNotFound."""
    require(actor, COLLECT)
    sheet = await session.scalar(
        select(RatingSheet)
        .join(Site, Site.id == RatingSheet.site_id)
        .where(RatingSheet.id == sheet_id, scope_condition(scopes(actor, COLLECT)))
        .with_for_update(of=RatingSheet)
    )
    if sheet is None:
        raise SheetNotFound(
            "没有这张评价表，或者它不在您负责的范围内。",
            "There is no such sheet, or it is outside your scope.",
        )
    detail = {"site_id": str(sheet.site_id), "reference": sheet.reference, "removed": True}
    await session.delete(sheet)
    await session.flush()
    await _record(session, actor, "rating_sheet", sheet_id, detail, now)


async def _require_collecting(session: AsyncSession, actor: Actor, site_id: UUID) -> None:
    require(actor, COLLECT)
    require_at(actor, COLLECT, await place_of(session, site_id=site_id))
    await require_published(session, site_id=site_id, in_use=True)


async def _require_service(session: AsyncSession, site_id: UUID, service: str | None) -> None:
    if service is None:
        return
    offered = (
        await session.scalars(
            select(Service.name).where(Service.site_id == site_id).order_by(Service.position)
        )
    ).all()
    if service not in offered:
        raise UnknownService(
            f"该服务点的服务有：{'、'.join(offered) or '（未列出）'}。",
            f"It offers: {', '.join(offered) or '(none listed)'}.",
            services=offered,
        )


async def _record(
    session: AsyncSession, actor: Actor, kind: str, row_id: UUID, detail: dict[str, object], now: datetime
) -> None:
    await record(session, actor, action=COLLECT, object_kind=kind, object_id=row_id, detail=detail, now=now)
