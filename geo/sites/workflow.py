"""A site's way to residents: draft, submitted, published, withdrawn. Who may do which step is in core/permissions.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.errors import WrongSiteState
from geo.sites.held import State, changing, hold_site, set_columns, state_of

Step = Literal["submit", "return", "publish", "unpublish"]


@dataclass(frozen=True)
class Transition:
    """From which states, to which, and who may; ``act`` is how the history names it."""

    from_states: frozenset[State]
    to_state: State
    action: str
    act: str


TRANSITIONS: Mapping[Step, Transition] = {
    "submit": Transition(frozenset({"draft", "withdrawn"}), "submitted", "site.edit", "submitted"),
    "return": Transition(frozenset({"submitted"}), "draft", "site.publish", "returned"),
    "publish": Transition(frozenset({"submitted", "withdrawn"}), "published", "site.publish", "published"),
    "unpublish": Transition(frozenset({"published"}), "withdrawn", "site.publish", "withdrawn"),
}
STATE_LABELS: Mapping[State, str] = {
    "draft": "草稿",
    "submitted": "待发布",
    "published": "已发布",
    "withdrawn": "已下线",
}
# What to do instead, by state: zh and en.
NEXT: Mapping[State, tuple[str, str]] = {
    "draft": ("请先提交（submit）。", "Submit it first."),
    "submitted": ("可以发布（publish）或退回（return）。", "It can be published or returned."),
    "published": ("可以下线（unpublish）。", "It can be unpublished."),
    "withdrawn": ("可以提交（submit）或重新发布（publish）。", "It can be submitted or published again."),
}
# One of them says where the site is.
STAMPS: Mapping[State, str | None] = {
    "draft": None,
    "submitted": "submitted_at",
    "published": "published_at",
    "withdrawn": "withdrawn_at",
}


async def take_step(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    step: Step,
    version: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> int:
    """Submit, return, publish or unpublish; the site's new version.

    Raises SiteNotFound, NotSignedIn, NotAllowed, SiteChanged, WrongSiteState.
    """
    transition = TRANSITIONS[step]
    held = await hold_site(session, actor, site_id=site_id, action=transition.action, version=version)
    state = state_of(held.site)
    if state not in transition.from_states:
        raise WrongSiteState(
            f"服务点现在是“{STATE_LABELS[state]}”状态。{NEXT[state][0]}",
            f"The site is {state}. {NEXT[state][1]}",
            state=state,
            step=step,
        )
    stamps: dict[str, Any] = {name: None for name in STAMPS.values() if name is not None}
    stamp = STAMPS[transition.to_state]
    if stamp is not None:
        stamps[stamp] = now
    async with changing(
        session, actor, held, action=transition.action, act=transition.act, reason=reason, now=now
    ) as new_version:
        await set_columns(session, site_id, stamps)
    return new_version


async def assure_site(
    session: AsyncSession, actor: Actor, *, site_id: UUID, version: int | None = None, now: datetime
) -> int:
    """Staff confirm that all this is still correct (信息仍然正确); the site's new version.

    Raises SiteNotFound, NotSignedIn, NotAllowed, SiteChanged.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.edit", version=version)
    async with changing(
        session, actor, held, action="site.edit", act="assured", reason=None, updates=False, now=now
    ) as new_version:
        await set_columns(session, site_id, {"assured_at": now})
    return new_version
