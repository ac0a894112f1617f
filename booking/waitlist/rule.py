"""The rule of the queue (候补规则), in code and in words."""

from datetime import datetime, timedelta

from booking.models import Offering, Slot
from booking.rules.reading import WaitlistRule


def strict_until(slot: Slot, rule: WaitlistRule) -> datetime:
    """Until then nobody passes a party that waits for more places; from then on smaller ones may."""
    return slot.closes_at - timedelta(minutes=rule.strict_until_minutes)


def offered_until(slot: Slot, offering: Offering, *, now: datetime) -> datetime:
    """How long an offer made now stands: never beyond the end of booking."""
    return min(now + timedelta(minutes=offering.offer_minutes), slot.closes_at)


def in_words(offering: Offering, rule: WaitlistRule) -> tuple[str, str]:
    """The rule as those who wait are told it, in Chinese and English."""
    minutes = rule.strict_until_minutes
    return (
        f"按候补先后顺序。空出名额时为排在最前的人保留 {offering.offer_minutes} 分钟，请及时确认，逾期顺延给下一位。"
        f"多人同行的一次凑齐名额才安排；在预约截止前 {minutes} 分钟之前，后面人数少的不能先占，之后可以。",
        "First come, first served. A place that becomes free is kept for whoever is first for"
        f" {offering.offer_minutes} minutes; unless they accept, it goes to the next. A party gets all its places at"
        f" once or none; smaller parties behind it do not pass it until {minutes} minutes before booking closes.",
    )
