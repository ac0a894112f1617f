"""Telling an account what is about none of the persons it acts for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.events import Kind, emit


async def tell_account(
    session: AsyncSession,
    *,
    account_id: UUID | None,
    kind: Kind,
    subject_id: UUID,
    data: Mapping[str, Any] | None = None,
    dedupe: str | None = None,
    now: datetime,
) -> None:
    """Have ``account_id`` told of the answer to a complaint or a report; nobody when it was made signed out."""
    if account_id is not None:
        await emit(
            session,
            kind=kind,
            person_id=None,
            account_id=account_id,
            subject_id=subject_id,
            data=data or {},
            dedupe=dedupe,
            now=now,
        )
