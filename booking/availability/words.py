"""An offering's rules as people read them, Chinese and English."""

from collections.abc import Callable, Iterator, Mapping

from booking.models import Offering
from booking.people.tags import tag_kinds
from booking.rules.eligibility import Condition
from booking.rules.reading import Rules

PERIODS = {"day": ("每天", "a day"), "week": ("每周", "a week"), "month": ("每月", "a month")}
CHANNELS = {
    "web": ("网上预约", "booked on the web"),
    "app": ("手机预约", "booked with the app"),
    "kiosk": ("自助机预约", "booked at a kiosk"),
    "counter": ("窗口预约", "booked at the desk"),
    "phone": ("电话预约", "booked by telephone"),
}
Said = tuple[str, str]
PRICES: Mapping[str, Callable[[int], Said]] = {
    "discount": lambda percent: (
        ("免费", "free") if percent == 100 else (f"优惠 {percent}%", f"{percent}% off")
    ),
    "fixed": lambda fen: (f"{_yuan(fen)} 元", f"{_yuan(fen)} yuan"),
    "subsidy": lambda fen: (f"补贴 {_yuan(fen)} 元", f"{_yuan(fen)} yuan off"),
}


def rules_in_words(offering: Offering, rules: Rules) -> list[Said]:
    """When, for whom, how often, at what price; each a short sentence."""
    return [
        *_window(offering),
        *_eligibility(rules),
        *_limits(rules),
        *_tiers(rules),
        *_price(rules),
        *_waitlist(offering, rules),
        *_attendance(rules),
    ]


def _window(offering: Offering) -> Iterator[Said]:
    days, at = offering.opens_days_before, offering.opens_at
    if at is not None:
        yield f"提前 {days} 天 {at:%H:%M} 起可预约", f"bookable from {at:%H:%M}, {days} days before"
    else:
        yield "时段公布后即可预约", "bookable as soon as the time is published"
    if offering.closes_minutes_before:
        zh, en = _minutes(offering.closes_minutes_before)
        yield f"开始前 {zh}截止", f"until {en} before it begins"
    if offering.cancel_minutes_before:
        zh, en = _minutes(offering.cancel_minutes_before)
        yield (
            f"开始前 {zh}内不能改期，取消算临时取消",
            f"within {en} of the start it cannot be moved, and cancelling counts as late",
        )
    if offering.assurance == "real_name":
        yield "需实名认证", "the person's name must be confirmed"


def _eligibility(rules: Rules) -> Iterator[Said]:
    for one in rules.eligibility:
        yield _condition(one)


def _condition(one: Condition) -> Said:
    if one.rule == "min_age":
        return f"年满 {one.value} 周岁", f"{one.value} or older"
    if one.rule == "max_age":
        return f"不超过 {one.value} 周岁", f"{one.value} or younger"
    if one.rule == "tag":
        kinds = [tag_kinds()[code] for code in sorted(one.value) if code in tag_kinds()]
        return (
            "限：" + "、".join(kind.zh for kind in kinds),
            "for: " + ", ".join(kind.en for kind in kinds),
        )
    return "限本辖区居民", "for residents of the area"


def _limits(rules: Rules) -> Iterator[Said]:
    for one in rules.limits:
        zh, en = PERIODS[one.per]
        what = ("本项目", "of this") if one.scope == "offering" else ("同类项目", "of this kind")
        yield f"{what[0]}{zh}最多 {one.most} 次", f"at most {one.most} {what[1]} {en}"


def _tiers(rules: Rules) -> Iterator[Said]:
    for one in rules.tiers.values():
        whom = [_condition(condition) for condition in one.who]
        if one.channels:
            channels = [CHANNELS[name] for name in CHANNELS if name in one.channels]
            whom.append(("、".join(zh for zh, _ in channels), " or ".join(en for _, en in channels)))
        yield (
            f"部分名额预留：{'，'.join(zh for zh, _ in whom)}",
            f"some places are kept: {', '.join(en for _, en in whom)}",
        )


def _price(rules: Rules) -> Iterator[Said]:
    for one in rules.price:
        zh, en = PRICES[one.rule](one.value)
        whom = [_condition(condition) for condition in one.who]
        if whom:
            zh, en = (
                f"{'，'.join(said for said, _ in whom)}：{zh}",
                f"{', '.join(said for _, said in whom)}: {en}",
            )
        if one.whole_party:
            zh, en = f"{zh}（同行的人也是）", f"{en} (for the whole party)"
        yield zh, en


def _waitlist(offering: Offering, rules: Rules) -> Iterator[Said]:
    if offering.shape != "interval" and offering.capacity_authority != "external":
        if rules.waitlist.enabled:
            yield "满员后可候补", "one can wait for a place once it is full"
        else:
            yield "满员后不设候补", "there is no waiting list"


def _yuan(fen: int) -> str:
    """12.5 of 1250."""
    return f"{fen // 100}.{fen % 100:02d}".rstrip("0").rstrip(".")


def _attendance(rules: Rules) -> Iterator[Said]:
    rule = rules.attendance
    if rule.most is not None:
        yield (
            f"{rule.within_days} 天内 {rule.most} 次未到，暂停预约 {rule.blocks_days} 天（{rule.spares_from_age} 周岁以上除外）",
            f"{rule.most} places left empty within {rule.within_days} days pause booking for {rule.blocks_days} days"
            f" (never from {rule.spares_from_age} years on)",
        )


def _minutes(minutes: int) -> Said:
    for unit, zh, en in ((1440, "天", "day"), (60, "小时", "hour"), (1, "分钟", "minute")):
        if minutes % unit == 0:
            count = minutes // unit
            return f"{count} {zh}", f"{count} {en}" if count == 1 else f"{count} {en}s"
    raise AssertionError("every number of minutes is some minutes")
