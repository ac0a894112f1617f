"""Telling an account what is about none of the persons it acts for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.events import Kind, emit
from geo.models import Correction


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


async def tell_reporter(session: AsyncSession, correction: Correction, *, now: datetime) -> None:
    """Have whoever reported a mistake told that there is an answer."""
    await tell_account(
        session,
        account_id=correction.account_id,
        kind="correction_answered",
        subject_id=correction.id,
        data={"correction_id": str(correction.id), "site_id": str(correction.site_id)},
        now=now,
    )
