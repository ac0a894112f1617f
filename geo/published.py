"""Whether residents can see a site: what reports, complaints and ratings ask before they are taken."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from geo.errors import SiteNotFound
from geo.models import Site


async def require_published(session: AsyncSession, *, site_id: UUID, in_use: bool = False) -> None:
    """Raises SiteNotFound for a site that is not there, is a draft or, with ``in_use``, is closed for good."""
    query = select(Site.id).where(Site.id == site_id, Site.published_at.is_not(None))
    if in_use:
        query = query.where(Site.status != "inactive")
    if await session.scalar(query) is None:
        raise SiteNotFound(
            "没有这个服务点，或者它尚未发布、已经停办。",
            "There is no such site, or it is not published or closed for good.",
        )
