"""How long personal data is kept, and why: the table that the purge job obeys and docs/privacy.md shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """One kind of data. Rows of ``table`` for which ``over`` (SQL, told ``:now``) is true are past their time.

    ``blank`` names columns that are emptied, so that the row still counts; without any, the row goes. ``over`` is None
    where ``by`` says who else sees to it.
    """

    name: str
    zh: str
    en: str
    kept: str
    why: str
    table: str = ""
    over: str | None = None
    blank: tuple[str, ...] = ()
    by: str = "the nightly purge"


# Whether somebody was served in the last three years. Delegations and tags stay that long after their end. Uses
# delegation_person_id_idx, person_tag_person_id_idx, reservation_person_id_starts_at_idx, audit_entry_person_id_idx.
SERVED = """(exists (select from delegation d where d.person_id = person.id)
    or exists (select from person_tag t where t.person_id = person.id)
    or exists (select from reservation r where r.person_id = person.id and r.starts_at > :now - interval '3 years')
    or exists (select from audit_entry a where a.person_id = person.id and a.at > :now - interval '3 years'))"""

RETENTION: tuple[Retention, ...] = (
    Retention(
        "codes",
        "短信验证码",
        "one-time codes",
        "1 day",
        "counts towards the day's limit; only a keyed digest is kept",
        "one_time_code",
        "created_at < :now - interval '1 day'",
    ),
    Retention(
        "messages",
        "待发短信",
        "messages to be sent",
        "1 day after delivery",
        "to look into one that did not arrive",
        "message",
        "state <> 'waiting' and finished_at < :now - interval '1 day'",
    ),
    Retention(
        "kept_answers",
        "防重复办理的回执",
        "answers kept under an Idempotency-Key",
        "1 day",
        "a request sent twice is done once",
        "kept_answer",
        "expires_at < :now",
    ),
    Retention(
        "sign_in_tries",
        "登录失败次数",
        "counts of wrong passwords",
        "1 day after the last",
        "slows down guessing; only keyed digests are kept",
        "sign_in_try",
        "tried_at < :now - interval '1 day' and coalesce(blocked_until, tried_at) < :now"
        " and coalesce(known_until, tried_at) < :now",
    ),
    Retention(
        "sessions",
        "登录设备",
        "sessions and names of devices",
        "90 days after they ended; the last one until the account is erased, and 90 days more",
        "whoever wonders who was signed in can look; the last one tells that the account is used",
        "account_session",
        # Uses account_session_account_id_idx.
        "coalesce(ended_at, expires_at) < :now - interval '90 days' and (exists (select from account_session later"
        " where later.account_id = account_session.account_id"
        " and (later.seen_at, later.id) > (account_session.seen_at, account_session.id))"
        " or exists (select from account where account.id = account_session.account_id and state = 'erased'))",
    ),
    Retention(
        "requests",
        "代办申请",
        "requests to act for somebody",
        "14 days",
        "time for a call-back or a walk to the desk",
        "person_request",
        "requested_at < :now - interval '14 days'",
    ),
    Retention(
        "offers",
        "未接受的授权",
        "phones that a delegation was offered to",
        "until accepted or declined, or whoever has the phone leaves; at most 30 days",
        "nobody answered",
        "delegation",
        "state = 'pending' and (offered_at < :now - interval '30 days' or until_on < :now - interval '1 day')",
    ),
    Retention(
        "delegations",
        "已结束的授权",
        "delegations that ended, with reason and witness",
        "3 years after they ended",
        "limitation period of civil claims (Civil Code, article 188)",
        "delegation",
        "state <> 'pending' and coalesce(ended_at, until_on + interval '1 day') < :now - interval '3 years'",
    ),
    Retention(
        "tags",
        "已失效的标签",
        "tags that ended, with their evidence",
        "3 years after they ended",
        "subsidies are audited afterwards",
        "person_tag",
        "coalesce(revoked_at, until_on + interval '1 day') < :now - interval '3 years'",
    ),
    Retention(
        "correction_phones",
        "纠错人的电话",
        "phones left with a correction",
        "90 days after the answer, a year without one",
        "to ask back",
        "correction",
        "contact_phone is not null and (handled_at < :now - interval '90 days'"
        " or created_at < :now - interval '1 year')",
        ("contact_phone",),
    ),
    Retention(
        "corrections",
        "纠错内容",
        "what a report of a mistake says, and its answer",
        "3 years",
        "the history of a site shows why it was changed",
        "correction",
        "(text is not null or suggestion is not null or answer is not null)"
        " and coalesce(handled_at, created_at) < :now - interval '3 years'",
        ("text", "suggestion", "answer"),
    ),
    Retention(
        "complaints",
        "投诉内容",
        "what a complaint says",
        "3 years after the last answer",
        "it may be reopened, and is reviewed",
        "complaint",
        "text is not null and state in ('replied', 'withdrawn')"
        " and coalesce(replied_at, created_at) < :now - interval '3 years'",
        ("text",),
    ),
    Retention(
        "complaint_entries",
        "投诉往来",
        "answers to complaints and what was added",
        "3 years",
        "as the complaint",
        "complaint_entry",
        "text is not null and at < :now - interval '3 years'",
        ("text",),
    ),
    Retention(
        "ratings",
        "评价文字",
        "what somebody wrote with a rating",
        "1 year",
        "the level goes on counting, without its author",
        "rating",
        "(text is not null or account_id is not null or person_id is not null or reservation_id is not null)"
        " and rated_on < :now - interval '1 year'",
        ("text", "account_id", "person_id", "reservation_id"),
    ),
    Retention(
        "reservations",
        "预约",
        "who a reservation was for, and who made it",
        "3 years after it ended",
        "meals and subsidies are audited afterwards; the reservation goes on counting, without its person",
        "reservation",
        "(person_id is not null or account_id is not null) and ends_at < :now - interval '3 years'",
        ("person_id", "account_id"),
    ),
    Retention(
        "commitments",
        "已占用的时间",
        "times that were taken",
        "3 years after they ended",
        "as the reservation",
        "person_commitment",
        "upper(during) < :now - interval '3 years'",
    ),
    Retention(
        "quotas",
        "预约次数",
        "how often was booked in a period",
        "400 days after the period began",
        "limits of a day, a week or a month",
        "person_quota",
        "period_on < (:now - interval '400 days')::date",
    ),
    Retention(
        "waiting_lists",
        "候补",
        "who waited for a place",
        "1 year",
        "the order of a queue can be checked",
        "waitlist_entry",
        "state not in ('waiting', 'offered') and joined_at < :now - interval '1 year'",
    ),
    Retention(
        "attendance",
        "爽约记录",
        "places left empty, and appeals",
        "1 year",
        "longer than any offering counts them",
        "attendance_mark",
        "at < :now - interval '1 year'",
    ),
    Retention(
        "events",
        "已告知的事项",
        "what people were to be told",
        "30 days after it was told",
        "to look into a message that did not arrive",
        "event",
        "relayed_at < :now - interval '30 days'",
    ),
    Retention(
        "inbox",
        "消息",
        "messages in the inbox",
        "1 year",
        "people look things up",
        "inbox_event",
        "created_at < :now - interval '1 year'",
    ),
    Retention(
        "event_messages",
        "短信送达情况",
        "what became of text messages",
        "1 year",
        "as the message",
        "event_message",
        "created_at < :now - interval '1 year'",
    ),
    Retention(
        "outreach",
        "人工告知",
        "tasks to tell somebody whom no message reaches",
        "1 year after they were due",
        "who was told can be checked",
        "outreach_task",
        "due_at < :now - interval '1 year'",
    ),
    Retention(
        "accounts",
        "账户和本人信息",
        "accounts, and persons they belong to",
        "as long as used, locked ones too, or as somebody is served through them: a delegation, a tag or a reservation of these years, or looked up"
        " for as long as the audit record is kept; erased after 3 years without",
        "what is not used is not needed",
        "account",
        # Uses account_session_account_id_idx; sessions leave a trace for as long as they last.
        "kind = 'resident' and state <> 'erased' and created_at < :now - interval '3 years'"
        " and not exists (select from account_session s"
        " where s.account_id = account.id and s.seen_at > :now - interval '3 years')"
        # An elder may never open the app again while a daughter or a desk acts for her.
        f" and not exists (select from person where person.account_id = account.id and {SERVED})",
        by="the nightly purge, as when they erase it themselves",
    ),
    Retention(
        "persons",
        "窗口登记、本人未注册的人员",
        "persons without an account of their own",
        "erased when registered 3 years ago or more, with no tag, delegation or reservation in these years and not looked up for as"
        " long as the audit record is kept",
        "what is not used is not needed",
        "person",
        f"account_id is null and erased_at is null and created_at < :now - interval '3 years' and not {SERVED}",
        by="the nightly purge, as when they erase it themselves",
    ),
    Retention(
        "consents",
        "同意记录",
        "consents: which text, when, how",
        "as long as the account or person; after erasure without anything that identifies",
        "we must be able to show that we were allowed to",
        by="nobody",
    ),
    Retention(
        "audit",
        "审计记录",
        "audit record: ids and codes only",
        "at least 6 months, as `XINBAN_AUDIT_DAYS` says",
        "Cybersecurity Law, article 23 (21 until 2025): at least six months",
        by="`xinban audit purge`",
    ),
    Retention(
        "uploads",
        "上传的文件",
        "files that staff uploaded",
        "30 days after they were applied, or uploaded and never applied",
        "an import can be undone",
        by="the worker (imports)",
    ),
)


def as_table() -> str:
    """The table in Markdown, as docs/privacy.md shows it."""
    lines = ["| data | 内容 | kept | why | removed by |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {one.en} | {one.zh} | {one.kept} | {one.why} | {one.by} |" for one in RETENTION]
    return "\n".join(lines)
