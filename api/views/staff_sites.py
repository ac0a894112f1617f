"""Sites between staff and the domain: what they are shown, and what they send as an edit takes it."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from api.params import check_crs_enabled
from api.schemas.staff_sites import StaffSiteIn, StaffSiteOut
from api.views.sites import closures_out
from core.actor import Actor
from geo.crs import to_wgs84
from geo.sites.detail import get_staff_site


async def show_to_staff(session: AsyncSession, actor: Actor, site_id: UUID, now: datetime) -> StaffSiteOut:
    """The whole site, times by its own clock. Raises SiteNotFound, NotSignedIn, NotAllowed."""
    detail = await get_staff_site(session, actor, site_id=site_id, now=now)
    site, zone = detail.site, ZoneInfo(detail.site.zone)

    def local(at: datetime | None) -> datetime | None:
        return at and at.astimezone(zone)

    return StaffSiteOut(
        id=site.id,
        version=site.version,
        state=detail.state,
        source=site.source_code,
        external_id=site.external_id,
        area=detail.area,
        site=dict(detail.content),
        staff_fields=site.staff_fields,
        closures=closures_out(detail.closures, zone, now),
        assured_at=local(site.assured_at),
        published_at=local(site.published_at),
        submitted_at=local(site.submitted_at),
        withdrawn_at=local(site.withdrawn_at),
        created_at=site.created_at.astimezone(zone),
        updated_at=site.updated_at.astimezone(zone),
    )


def content_of(body: StaffSiteIn, *, shifted: bool) -> dict[str, Any]:
    """What an edit takes: the place as GeoJSON in WGS84. Raises CrsDisabled when its system is off (``shifted``)."""
    said: dict[str, Any] = body.model_dump(mode="json", exclude={"location", "reason"})
    if body.location is not None:
        place = body.location
        check_crs_enabled(place.crs, shifted=shifted)
        said["geometry"] = {
            "type": "Point",
            "coordinates": [*to_wgs84(place.crs, place.lon, place.lat)],
        }
    return said
