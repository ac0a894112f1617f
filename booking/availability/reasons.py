"""Whether a slot can be booked, by anyone or by a certain person, and why not: codes and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from booking.availability.askers import Asker
from booking.availability.slots import SlotState
from booking.availability.windows import Grid, Window
from booking.models import Offering
from booking.rules import eligibility
from booking.rules.limits import quotas_of
from booking.rules.reading import Rules

OK = "ok"
WORDS: Mapping[str, tuple[str, str]] = {
    OK: ("可预约", "can be booked"),
    "not_open_yet": ("尚未开放预约", "booking is not open yet"),
    "booking_closed": ("预约已截止", "booking has closed"),
    "slot_closed": ("该时段停止服务", "this slot is closed"),
    "paused": ("暂停预约", "booking is paused"),
    "external": ("请到原系统预约", "to be booked elsewhere"),
    "full": ("名额已满", "no place left"),
    "waitlist": ("名额已满，可候补", "no place left; one can wait for one"),
    "assurance_needed": ("需先完成实名认证", "confirm who you are first"),
    "limit_reached": ("已达预约次数上限", "as often as is allowed already"),
    "busy": ("该时间已有其他预约", "another booking at that time"),
    "blocked": ("因多次爽约暂停预约", "booking is paused after places were left empty"),
    **eligibility.REASONS,
}


@dataclass(frozen=True)
class Look:
    """What is looked at, by whom, when."""

    offering: Offering
    rules: Rules
    asker: Asker
    now: datetime

    def tiers(self, slot: SlotState) -> tuple[str, ...]:
        """The tiers that the asker may take from on the slot's day."""
        return self.rules.tiers_of(self.asker.who(slot.on_date))

    def free(self, slot: SlotState) -> int:
        """Places that the asker could have, if nothing else stood in the way."""
        return slot.free(self.tiers(slot), self.offering.modes)

    def reason_for(self, slot: SlotState) -> str:
        """``ok``, or the code of the first thing in the way of booking one place of a counted or seated slot."""
        if (reason := self._closed(slot) or self._refused(slot)) is not None:
            return reason
        if self.asker.is_busy(slot.starts_at, slot.ends_at):
            return "busy"
        if self.free(slot) < 1:
            # Seats have a queue too; what is taken along has none of its own.
            return "waitlist" if self.rules.waitlist.enabled else "full"
        return OK

    def reason_for_window(self, window: Window, grid: Grid) -> str:
        """The same for booking the shortest while within a window."""
        if (reason := self._closed(window.slot) or self._refused(window.slot)) is not None:
            return reason
        starts = window.starts(grid)
        if not starts:
            return "full"
        if all(self.asker.is_busy(start, start + grid.shortest) for start in starts):
            return "busy"
        return OK

    def _closed(self, slot: SlotState) -> str | None:
        if self.offering.capacity_authority == "external":
            return "external"
        if self.offering.status != "active":
            return "paused"
        if slot.state != "open":
            return "slot_closed"
        if self.now < slot.opens_at:
            return "not_open_yet"
        closes_at = slot.ends_at if self.asker.at_desk else slot.closes_at
        return "booking_closed" if self.now >= closes_at else None

    def _refused(self, slot: SlotState) -> str | None:
        """What the person lacks; of somebody unknown nothing is lacking."""
        if self.asker.person_id is None:
            return None
        if not self.asker.assured:
            return "assurance_needed"
        who = self.asker.who(slot.on_date)
        if (reason := eligibility.check(self.rules.eligibility, who)) is not None:
            return reason
        if self.asker.blocked and not self.asker.at_desk and not self.rules.attendance.spares(who.age_years):
            return "blocked"
        used = self.asker.used
        quotas = quotas_of(
            self.rules.limits, offering_id=self.offering.id, kind=self.offering.kind, on=slot.on_date
        )
        if any(used.get((one.scope, one.period_on), 0) >= one.most for one in quotas):
            return "limit_reached"
        return None
