"""What the domain wants people told goes out in the same transaction."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api.messages.outbox import send_message
from booking.people.notices import Notice
from core.keyring import KeyRing


async def tell(session: AsyncSession, ring: KeyRing, notices: Iterable[Notice], *, now: datetime) -> None:
    """Have all of ``notices`` sent."""
    for notice in notices:
        await send_message(
            session,
            ring,
            phone=notice.phone,
            template=notice.template,
            parameters=notice.parameters,
            now=now,
        )
