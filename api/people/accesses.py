"""Who read or changed what is kept about a person, told to that person."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, or_, select, tuple_

from api.identity.models import StaffAccount
from booking.people.models import Person
from core.actor import Actor
from core.audit import AuditEntry
from core.permissions import ROLE_NAMES, RULES

# What was done, as one says it to the person. Actions that are not here are told by their code.
WORDS = {
    "outreach.handle": ("查看或办理了对您的人工告知", "read or did a task to tell you something"),
    "waitlist.read": ("查看了候补名单（打码）", "saw a waiting list, masked"),
    "attendance.read": ("查看了您的申诉", "read your appeal"),
    "attendance.decide": ("答复了您的申诉", "answered your appeal"),
    "person.find": ("查到了您的档案（打码）", "found your record, masked"),
    "person.read": ("查看了您的档案（打码）", "read your record, masked"),
    "person.view": (
        "替您办事的人查看了您的档案（打码）",
        "somebody who acts for you read your record, masked",
    ),
    "correction.handle": ("查看了您留下的电话", "read the phone you left with a report"),
    "person.reveal": ("查看了您的完整信息", "saw your data unmasked"),
    "person.contact": ("更改了您的联系方式", "changed how you are reached"),
    "person.register": ("为您登记", "registered you"),
    "person.tag": ("为您认定了资格", "granted you an entitlement"),
    "person.untag": ("取消了您的资格", "took an entitlement back"),
    "person.claim": ("档案与账号关联", "linked your record to an account"),
    "delegation.offer": ("提出代办", "offered to act"),
    "delegation.accept": ("确认代办", "accepted a delegation"),
    "delegation.decline": ("拒绝代办", "declined a delegation"),
    "delegation.revoke": ("撤销代办", "revoked a delegation"),
    "delegation.witness": ("见证代办", "witnessed a delegation"),
    "complaint.handle": ("处理了您的投诉", "handled your complaint"),
    "audit.read": ("审计员查询了您的访问记录", "an auditor searched who looked at yours"),
}


def accesses_query(
    actor: Actor, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> Select[AuditEntry, str | None]:
    """What others did about the actor's own person, the youngest first, with the office of staff.

    Uses person_account_id_key and audit_entry_person_id_idx.
    """
    own = select(Person.id).where(Person.account_id == actor.account_id).scalar_subquery()
    query = (
        select(AuditEntry, StaffAccount.office)
        .join(StaffAccount, StaffAccount.id == AuditEntry.account_id, isouter=True)
        .where(
            AuditEntry.person_id == own,
            or_(AuditEntry.account_id.is_(None), AuditEntry.account_id != actor.account_id),
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    return query if before is None else query.where(tuple_(AuditEntry.at, AuditEntry.id) < before)


def words_of(action: str) -> tuple[str, str]:
    """``action`` in Chinese and English."""
    rule = RULES.get(action)
    return WORDS.get(action, (f"其他操作（{action}）", action if rule is None else rule.says))


def role_names(roles: list[str]) -> list[str]:
    """Roles in Chinese."""
    return [name for role, name in ROLE_NAMES.items() if role in roles]
