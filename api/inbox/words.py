"""What people are told, by kind of event: the one table of words, Chinese first.

Short and kind, by the clock of the place, and with what to do next. In braces stands what ``facts.py`` knows: ``who`` (你
are *you* to yourself, and masked to whoever acts for you), ``when``, ``what`` and where, ``code``, ``until``, and words of
one kind of event only. A sentence that needs what is not known is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from booking.events import KINDS

# Told by text message too, unless the account wants none; and somebody visits when nothing arrives.
IMPORTANT = frozenset(
    {"reservation_reminder", "waitlist_offer", "slot_closed", "reservation_moved", "standing_failed"}
)
# Whoever has no inbox gets these by text message, since there is no other way.
NEEDED = IMPORTANT | {
    "reservation_confirmed",
    "reservation_changed",
    "reservation_cancelled",
    "reservation_expired",
    "standing_booked",
    "waitlist_closed",
    "waitlist_expired",
    "appeal_answered",
}
# Somebody without account and phone is told these by a person. Of the others they know or need not.
VISITED = frozenset(
    {
        "reservation_confirmed",
        "reservation_changed",
        "reservation_reminder",
        "reservation_moved",
        "slot_closed",
        "waitlist_offer",
        "standing_failed",
    }
)
# Said across the desk, when it was done there.
SAID_AT_THE_DESK = frozenset(
    {"reservation_held", "reservation_confirmed", "reservation_changed", "reservation_cancelled"}
)
_FIELD = re.compile(r"\{(\w+)\}")
_SENTENCE_ZH = re.compile(r"(?<=[。！？])")
_SENTENCE_EN = re.compile(r"(?<=[.!?]) +")


@dataclass(frozen=True, slots=True)
class Words:
    """Title and text in both languages, with fields in braces."""

    title_zh: str
    title_en: str
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Said:
    """The same, filled in."""

    title_zh: str
    title_en: str
    text_zh: str
    text_en: str


WORDS: Mapping[str, Words] = {
    "reservation_held": Words(
        "名额已保留",
        "A place is held",
        "已为{who}保留{when} {what}的名额。请在{until}前确认，过时名额会让给别人。",
        "{when}, {what}: a place is held for {who}. Please confirm it by {until}, or it goes to somebody else.",
    ),
    "reservation_confirmed": Words(
        "预约成功",
        "Booked",
        "{who}已约好{when} {what}。预约码 {code}，到场出示或报手机尾号。不能来请早点取消，把名额留给别人。",
        "{when}, {what} is booked for {who}. Show code {code} at the desk. If plans change, please cancel early.",
    ),
    "reservation_changed": Words(
        "改期成功",
        "Moved as you asked",
        "{who}的预约已改到{when} {what}。预约码 {code}。",
        "The booking for {who} is now {when}, {what}. Code {code}.",
    ),
    "reservation_moved": Words(
        "预约时间有调整",
        "Your booking was moved",
        "因服务安排变化，{who}的预约已调整到{when} {what}，给您添麻烦了。不方便请在手机上改期或取消，也可以给服务点打电话。",
        "Plans at the site changed: the booking for {who} is now {when}, {what}. We are sorry for the trouble. If this does not suit, please move or cancel it, or call the site.",
    ),
    "reservation_cancelled": Words(
        "预约已取消",
        "Cancelled",
        "{who}在{when} {what}的预约已取消。需要时可以重新预约。",
        "The booking for {who}, {when}, {what}, is cancelled. You can book again at any time.",
    ),
    "reservation_expired": Words(
        "保留的名额已放开",
        "The held place was let go",
        "{when} {what}的名额没有在规定时间内确认，已经放开。还需要的话，请重新预约或排候补。",
        "{when}, {what}: the place was not confirmed in time and was let go. If it is still wanted, book again or join the waiting list.",
    ),
    "reservation_reminder": Words(
        "预约提醒",
        "A reminder",
        "{who}约了{when} {what}。地址：{address}。预约码 {code}。不能来请早点取消，把名额留给别人。",
        "{who}: {when}, {what}. Address: {address}. Code {code}. If plans change, please cancel early.",
    ),
    "slot_closed": Words(
        "服务临时取消",
        "Your booking cannot take place",
        "很抱歉，{when} {what}因故停止，{who}的预约已取消，不用过来了。原因：{reason}。还可以约{alternative}，请在手机上改约，或给服务点打电话。",
        "We are sorry: {when}, {what} cannot take place. The booking for {who} is cancelled; there is no need to come. Reason: {reason}. Next free: {alternative}. Book it in the app, or call the site.",
    ),
    "checked_in": Words(
        "已签到",
        "Checked in",
        "{who}已在{what}签到（{when}）。",
        "{who}: checked in at {what}, {when}.",
    ),
    "no_show": Words(
        "记录为未到",
        "Noted as not come",
        "{who}没有在{when} {what}签到，已记为未到。如果其实到了，可以在手机上申诉，或请服务点更正。",
        "{who}: nobody checked in at {when}, {what}. If this is wrong, appeal in the app or ask the site to put it right.",
    ),
    "rating_invited": Words(
        "这次服务怎么样",
        "How was it",
        "{when} {what}还满意吗？请打个分，说说哪里好、哪里要改。",
        "{when}, {what}: were you content? Please rate it and say what could be better.",
    ),
    "waitlist_joined": Words(
        "已排上候补",
        "On the waiting list",
        "已为{who}排上{when} {what}的候补，有名额会马上通知。",
        "{who}: on the waiting list for {when}, {what}. We tell you as soon as there is a place.",
    ),
    "waitlist_offer": Words(
        "候补到了",
        "A place for you",
        "{who}候补的{when} {what}有名额了。请在{until}前接受，过时会让给下一位。",
        "There is a place for {who}: {when}, {what}. Accept it by {until}, or it goes to the next.",
    ),
    "waitlist_expired": Words(
        "候补名额已让给下一位",
        "The offer went to the next",
        "{when} {what}的候补名额没有及时接受，已让给下一位。还需要可以重新排队。",
        "{when}, {what}: the offer was not accepted in time and went to the next. You can join again.",
    ),
    "waitlist_passed": Words(
        "候补没有排上",
        "The offer passed you by",
        "轮到{who}候补{when} {what}时，{why}，名额给了下一位。可以重新排队。",
        "When it was the turn of {who} for {when}, {what}, {why}; the place went to the next. You can join again.",
    ),
    "waitlist_closed": Words(
        "候补已结束",
        "The waiting list is over",
        "{when} {what}的候补已结束，这次没有等到名额。可以看看别的时间。",
        "The waiting list for {when}, {what} is over; no place came free. Please look at other times.",
    ),
    "standing_booked": Words(
        "长期预约已约好",
        "Standing booking: dates booked",
        "已按长期预约为{who}约好{what}：{dates}。",
        "{what}, for {who}: booked as asked on {dates}.",
    ),
    "standing_failed": Words(
        "长期预约有没约上的",
        "Standing booking: dates not booked",
        "{who}的长期预约（{what}）没有约上。日期：{dates}。请看看别的时间，或给服务点打电话。",
        "The standing booking for {who} ({what}) could not be made. Dates: {dates}. Look at other times, or call the site.",
    ),
    "appeal_answered": Words(
        "申诉有答复",
        "Your appeal was answered",
        "{who}关于{when} {what}的申诉已有答复，请在手机上查看。",
        "The appeal of {who} about {when}, {what} was answered. Please look in the app.",
    ),
    "complaint_answered": Words(
        "投诉有新进展",
        "News about your complaint",
        "您的投诉有新的进展，请在手机上查看。不满意可以再说明。",
        "There is news about your complaint. Please look in the app; if it is not settled, tell us.",
    ),
    "correction_answered": Words(
        "纠错有答复",
        "Your report was answered",
        "您报告的信息错误已处理，谢谢您。",
        "The mistake that you reported was dealt with. Thank you.",
    ),
}
assert set(WORDS) == set(KINDS)

# Why an offer could not be had (``why`` of waitlist_passed).
PASSED = {
    "person-busy": ("已有别的预约", "there was another booking"),
    "limit-reached": ("预约次数已满", "the number of bookings was used up"),
}
PASSED_ELSE = ("暂时不符合预约条件", "booking was not possible")


def fill(kind: str, zh: Mapping[str, str], en: Mapping[str, str]) -> Said:
    """The words of ``kind`` with what is known; sentences that need what is not known are left out."""
    words = WORDS[kind]
    return Said(
        words.title_zh,
        words.title_en,
        "".join(_known(_SENTENCE_ZH.split(words.text_zh), zh)),
        _capital(" ".join(_known(_SENTENCE_EN.split(words.text_en), en))),
    )


def _known(sentences: list[str], known: Mapping[str, str]) -> list[str]:
    return [
        _FIELD.sub(lambda field: known[field[1]], one)
        for one in sentences
        if all(known.get(name) for name in _FIELD.findall(one))
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
