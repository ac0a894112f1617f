"""Where something of a person lies: every table, what belongs to whom, and what erasure does to it.

A test walks all tables of ours: one that refers to accounts or persons, or holds encrypted columns, must be named here.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Holding:
    """``mine``: SQL that is true of the caller's rows, told ``:account_id`` and ``:person_id`` (which may be null).

    ``erase``: the rows go, ``blank`` columns are emptied, or all is kept, for ``reason``. ``hidden`` columns name other
    people, such as the member of staff who did it, and are left out of exports.
    """

    table: str
    zh: str
    en: str
    mine: str
    erase: Literal["delete", "blank", "keep", "person", "account"]
    blank: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    reason: str = ""


HOLDINGS: tuple[Holding, ...] = (
    Holding("account", "账户", "account", "id = :account_id", "account"),
    Holding(
        "person", "本人信息", "oneself as a person", "id = :person_id", "person", hidden=("verified_by",)
    ),
    Holding(
        "person_tag",
        "标签",
        "tags",
        "person_id = :person_id",
        "delete",
        hidden=("granted_by", "revoked_by"),
    ),
    Holding("person_request", "代办申请", "requests", "account_id = :account_id", "delete"),
    Holding(
        "delegation",
        "授权",
        "delegations given and received",
        "person_id = :person_id or grantee_id = :account_id",
        "blank",
        blank=("purpose", "reason", "witness", "grantee_phone", "grantee_phone_blind"),
        hidden=("witnessed_by", "witness", "reason"),
        reason="who acted for whom, ids only",
    ),
    Holding(
        "consent",
        "同意记录",
        "consents",
        "account_id = :account_id or person_id = :person_id",
        "keep",
        hidden=("recorded_by",),
        reason="we must be able to show that we were allowed to; ids and dates only",
    ),
    Holding(
        "account_session",
        "登录设备",
        "sessions",
        "account_id = :account_id",
        "blank",
        blank=("device",),
        reason="until 90 days after they ended, without the device's name",
    ),
    Holding("external_identity", "外部登录", "external sign-in", "account_id = :account_id", "delete"),
    Holding(
        "complaint",
        "投诉",
        "complaints",
        "account_id = :account_id",
        "blank",
        blank=("text", "person_id"),
        reason="that there was one about a site, without what it said",
    ),
    Holding(
        "complaint_entry",
        "投诉往来",
        "answers to complaints",
        "complaint_id in (select id from complaint where account_id = :account_id)",
        "blank",
        blank=("text",),
        hidden=("account_id",),
        reason="that there were, without what they said",
    ),
    Holding(
        "rating",
        "评价",
        "ratings",
        "account_id = :account_id or person_id = :person_id",
        "blank",
        blank=("text", "account_id", "person_id", "reservation_id"),
        hidden=("entered_by",),
        reason="the level goes on counting, without its author",
    ),
    Holding(
        "reservation",
        "预约",
        "reservations, made or had",
        "person_id = :person_id or account_id = :account_id",
        "keep",
        reason="how many came is accounted for; ids only, taken off after 3 years. What lies ahead is cancelled",
    ),
    Holding(
        "waitlist_entry",
        "候补",
        "waiting lists",
        "person_id = :person_id or account_id = :account_id",
        "keep",
        reason="the order of a queue can be checked; ids only, gone after a year",
    ),
    Holding(
        "standing_booking",
        "长期预约",
        "standing bookings",
        "person_id = :person_id or account_id = :account_id",
        "keep",
        reason="what reservations came of; ids only",
    ),
    Holding(
        "attendance_mark",
        "爽约记录",
        "places left empty, and appeals",
        "person_id = :person_id",
        "delete",
        hidden=("decided_by",),
    ),
    Holding("person_commitment", "已占用的时间", "times that are taken", "person_id = :person_id", "delete"),
    Holding("person_quota", "预约次数", "how often was booked", "person_id = :person_id", "delete"),
    Holding(
        "event",
        "待告知的事项",
        "what one is to be told",
        "person_id = :person_id or account_id = :account_id",
        "keep",
        reason="ids and times only, gone 30 days after it was told",
    ),
    Holding("inbox", "消息设置", "how one is told", "account_id = :account_id", "delete"),
    Holding("inbox_event", "消息", "messages in the inbox", "account_id = :account_id", "delete"),
    Holding(
        "event_message",
        "短信送达情况",
        "what became of text messages",
        "account_id = :account_id or person_id = :person_id",
        "delete",
    ),
    Holding(
        "outreach_task",
        "人工告知",
        "that the community was asked to tell one",
        "person_id = :person_id",
        "delete",
        hidden=("done_by", "note"),
    ),
    Holding("calendar_feed", "日历订阅", "calendar feed", "account_id = :account_id", "delete"),
    Holding(
        "correction",
        "纠错",
        "corrections",
        "account_id = :account_id",
        "blank",
        blank=("account_id", "text", "suggestion", "contact_phone", "answer"),
        hidden=("handled_by",),
        reason="which site and field, and what became of it",
    ),
    Holding(
        "role_grant",
        "角色",
        "roles",
        "account_id = :account_id",
        "keep",
        hidden=("granted_by", "revoked_by"),
        reason="who was allowed what is part of the audit record",
    ),
    Holding(
        "audit_entry",
        "审计记录",
        "audit record: what I did, and who looked at my data",
        "account_id = :account_id or person_id = :person_id",
        "keep",
        reason="Cybersecurity Law, article 23 (21 until 2025): at least six months; ids and codes only",
    ),
)

# Tables with personal data, or a reference to accounts, of which nothing can be shown to the person.
ELSEWHERE = {
    "message": "names no account; gone a day after delivery",
    "one_time_code": "holds a keyed digest of the phone; gone after a day, and at once on erasure",
    "kept_answer": "names no account; gone after a day",
    "staff_account": "staff, who cannot erase themselves: the system administrator does",
    "recovery_code": "of staff accounts",
    "enrolment": "of staff accounts",
    "sign_in_try": "holds keyed digests; gone after a day",
    "rating_sheet": "names only the member of staff who entered a sheet",
    "import_chunk": "files of sites, not of people",
    "import_page": "reports on files of sites",
}
