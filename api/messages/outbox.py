"""Messages are written down where their cause is: both are committed, or neither. The worker delivers (``relay.py``)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from api.messages.models import Message
from core.ids import new_id
from core.keyring import KeyRing

RECIPIENT, PARAMETERS = "message.recipient", "message.parameters"


async def send_message(
    session: AsyncSession,
    ring: KeyRing,
    *,
    phone: str,
    template: str,
    parameters: Mapping[str, str],
    expires_at: datetime | None = None,
    now: datetime,
) -> UUID:
    """Have ``template`` sent to ``phone`` (E.164) with ``parameters``; its id.

    Free text messages are refused in China, so every message is a registered template. After ``expires_at`` it is no
    longer worth sending.
    """
    row = new_id()
    session.add(
        Message(
            id=row,
            channel="sms",
            template=template,
            recipient=ring.encrypt(RECIPIENT, row, phone),
            parameters=ring.encrypt(PARAMETERS, row, orjson.dumps(dict(parameters)).decode()),
            created_at=now,
            next_try_at=now,
            expires_at=expires_at,
        )
    )
    return row
