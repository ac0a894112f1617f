"""Reports are taken from anyone; who reported, and nobody else of the public, sees what became of one."""

import hmac
import secrets
from datetime import datetime, time, timedelta
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing
from core.permissions import require
from geo.corrections.errors import CorrectionNotFound, TooManyCorrections
from geo.corrections.fields import Field
from geo.models import Correction
from geo.published import require_published

# About one site, from one account, or from one network address when signed out (many share one).
REPORTS_A_DAY = 5
RECEIPT_BYTES = 18
# One reporter's reports about one site are taken one after the other, so that the count is true.
ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")


async def report_correction(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    field: Field,
    text: str,
    suggestion: str | None = None,
    contact_phone: str | None = None,
    address: str,
    zone: str,
    now: datetime,
) -> tuple[Correction, str]:
    """Keep a report; it and the receipt, a secret that shows what becomes of it.

    ``contact_phone``: E.164. ``address``: the network address, of which only a keyed digest for one day is kept.
    ``zone``: whose day it is. Raises SiteNotFound, TooManyCorrections. A site closed for good can be reported about:
    that it is closed may be the mistake.
    """
    require(actor, "correction.report")
    await require_published(session, site_id=site_id)
    local = now.astimezone(ZoneInfo(zone))
    reporter = f"{local.date()} {actor.account_id or address}"
    blinds = ring.blinds("correction.reporter", reporter)
    await session.execute(ONE_AT_A_TIME, {"key": f"correction {site_id} {reporter}"})
    # correction_site_id_idx
    count = await session.scalar(
        select(func.count()).where(Correction.site_id == site_id, Correction.reporter_blind.in_(blinds))
    )
    if count is not None and count >= REPORTS_A_DAY:
        midnight = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
        raise TooManyCorrections(
            "谢谢！这些我们先处理，明天可以再报。",
            "Thank you! We look at these first; report again tomorrow.",
            retry_after_seconds=int((midnight - now).total_seconds()) + 1,
        )
    receipt, row_id = secrets.token_urlsafe(RECEIPT_BYTES), new_id()

    def sealed(name: str, said: str | None) -> bytes | None:
        return None if said is None else ring.encrypt(f"correction.{name}", row_id, said)

    correction = Correction(
        id=row_id,
        site_id=site_id,
        account_id=actor.account_id,
        reporter_blind=blinds[0],
        receipt_digest=sha256(receipt.encode()).digest(),
        channel=actor.channel,
        field=field,
        text=sealed("text", text),
        suggestion=sealed("suggestion", suggestion),
        contact_phone=sealed("contact_phone", contact_phone),
        created_at=now,
        state="open",
    )
    session.add(correction)
    await session.flush()
    return correction, receipt


async def get_reported(
    session: AsyncSession, actor: Actor, *, correction_id: UUID, receipt: str | None
) -> Correction:
    """A report for whoever made it: by account, or by receipt. Raises CorrectionNotFound."""
    require(actor, "correction.report")
    correction = await session.get(Correction, correction_id)
    if correction is not None:
        if actor.account_id is not None and correction.account_id == actor.account_id:
            return correction
        digest = sha256((receipt or "").encode()).digest()
        if receipt and hmac.compare_digest(digest, correction.receipt_digest):
            return correction
    raise CorrectionNotFound(
        "请核对编号和回执；登录后提交的，请登录同一账号查看。",
        "Check the number and the receipt; what you reported signed in, you see signed in.",
    )


def reported_query(account_id: UUID, *, after: UUID | None, limit: int) -> Select[Correction]:
    """An account's own reports, the newest first (correction_account_id_idx)."""
    query = select(Correction).where(Correction.account_id == account_id)
    if after is not None:
        query = query.where(Correction.id < after)
    return query.order_by(Correction.id.desc()).limit(limit)
