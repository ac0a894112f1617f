"""Steps of a complaint, taken on a row that its caller has locked; the table of steps is in ``categories.py``."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from booking.events import emit
from booking.feedback.categories import STATE_LABELS, STEPS, State, Step
from booking.feedback.errors import ComplaintState
from booking.feedback.models import Complaint, ComplaintEntry
from booking.feedback.texts import seal
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing


async def take_step(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    complaint: Complaint,
    step: Step,
    text: str | None = None,
    now: datetime,
) -> None:
    """Take ``step`` and write it down. The row must be locked. Raises ComplaintState, naming the state it is in."""
    state: State = complaint.state  # type: ignore[assignment]  # the CHECK says so
    after = STEPS.get((step, state))
    if after is None:
        zh, en = STATE_LABELS[state]
        raise ComplaintState(f"现在的状态是：{zh}。", f"Its state is: {en}.", state=state)
    if step == "reopen":
        complaint.reopened_at = now
        after = "escalated" if complaint.escalated_at is not None else after
    elif step == "reply":
        complaint.replied_at = now
    elif step == "escalate":
        complaint.escalated_at = now
    complaint.state = after
    row_id = new_id()
    session.add(
        ComplaintEntry(
            id=row_id,
            complaint_id=complaint.id,
            at=now,
            step=step,
            taken_by=_taken_by(actor, step),
            account_id=actor.account_id,
            text=seal(ring, "complaint_entry.text", row_id, text),
        )
    )
    await session.flush()
    if step in ("reply", "escalate") and complaint.account_id is not None:
        about = {"complaint_id": str(complaint.id), "step": step}
        if complaint.site_id is not None:
            about["site_id"] = str(complaint.site_id)
        await emit(
            session,
            kind="complaint_answered",
            person_id=None,
            account_id=complaint.account_id,
            subject_id=complaint.id,
            data=about,
            now=now,
        )


def _taken_by(actor: Actor, step: Step) -> str:
    if step in ("reopen", "withdraw"):
        return "resident"
    return "staff" if actor.account_id is not None else "system"
