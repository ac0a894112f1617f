"""Residents' accounts: known by a phone, or by an identity elsewhere, or both; made when somebody first signs in.

Signing in as somebody whose account is locked finds None, which callers answer as they answer a wrong code.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.errors import IdentityNotFound, IdentityTaken, LastIdentity, PhoneHeld, ResidentsOnly
from api.identity.models import ExternalIdentity
from api.identity.sessions import recall_tokens
from api.identity.subjects import ExternalSubject
from booking.people.models import Account
from core.actor import Actor
from core.audit import record
from core.ids import new_id
from core.keyring import KeyRing

PHONE, SUBJECT = "account.phone", "external_identity.subject"
# Assurance only rises.
RANK = {"none": 0, "phone": 1, "real_name": 2}


async def account_by_phone(
    session: AsyncSession, ring: KeyRing, *, phone: str, now: datetime
) -> Account | None:
    """The resident with this phone (E.164), which a code has proved; made if there is none. None: may not sign in."""
    account = await _by_phone(session, ring, phone)
    if account is None:
        account = _new_resident(now)
        _set_phone(ring, account, phone)
        session.add(account)
        await session.flush()
    if account.kind != "resident" or account.state != "active":
        return None
    await raise_assurance(session, account=account, to="phone", now=now)
    return account


async def account_by_identity(
    session: AsyncSession, ring: KeyRing, *, shown: ExternalSubject, now: datetime
) -> Account | None:
    """The resident with this identity; else the one with the phone that the provider confirms; else a new one."""
    identity = await _by_subject(session, ring, shown)
    if identity is not None:
        identity.used_at = now
        account = await session.get(Account, identity.account_id, with_for_update={"read": True})
        assert account is not None
    else:
        found = await account_by_phone(session, ring, phone=shown.phone, now=now) if shown.phone else None
        if shown.phone and found is None:
            return None
        account = found or _new_resident(now)
        session.add(account)
        await session.flush()
        session.add(_identity(ring, account.id, shown, now))
    if account.state != "active":
        return None
    if shown.assurance == "real_name":
        await raise_assurance(session, account=account, to="real_name", now=now)
    return account


async def link_identity(
    session: AsyncSession, actor: Actor, ring: KeyRing, *, shown: ExternalSubject, now: datetime
) -> ExternalIdentity:
    """Let the signed-in account sign in with this identity too. Raises ResidentsOnly, IdentityTaken."""
    account = await _own(session, actor)
    identity = await _by_subject(session, ring, shown)
    if identity is not None and identity.account_id != account.id:
        raise IdentityTaken(
            "请用该方式登录后解除绑定，再回来绑定。", "Sign in with it and remove it there, then come back."
        )
    if identity is None:
        identity = _identity(ring, account.id, shown, now)
        session.add(identity)
        await _record(session, actor, "linked", identity, now)
    if shown.assurance == "real_name":
        await raise_assurance(session, account=account, to="real_name", now=now)
    return identity


async def link_phone(
    session: AsyncSession, actor: Actor, ring: KeyRing, *, phone: str, now: datetime
) -> None:
    """Give the signed-in account this phone (E.164), which a code has proved.

    Raises ResidentsOnly, PhoneHeld when it has another one, IdentityTaken when another account has it.
    """
    account = await _own(session, actor)
    holder = await _by_phone(session, ring, phone)
    if holder is not None and holder.id == account.id:
        return
    if account.phone is not None:
        raise PhoneHeld("每个账户只能绑定一个手机号。", "An account has one phone.")
    if holder is not None:
        raise IdentityTaken(
            "该手机号已有账户：请用手机号登录，再绑定当前登录方式。",
            "This phone has an account: sign in with it, and link your present way of signing in there.",
        )
    _set_phone(ring, account, phone)
    await raise_assurance(session, account=account, to="phone", now=now)
    await record(
        session,
        actor,
        action="account.own",
        object_kind="account",
        object_id=account.id,
        detail={"linked": "phone"},
        now=now,
    )


async def list_identities(session: AsyncSession, *, account_id: UUID) -> Sequence[ExternalIdentity]:
    """Identities of an account, the oldest first (external_identity_account_id_idx)."""
    return (
        await session.scalars(
            select(ExternalIdentity)
            .where(ExternalIdentity.account_id == account_id)
            .order_by(ExternalIdentity.id)
        )
    ).all()


async def unlink_identity(session: AsyncSession, actor: Actor, *, identity_id: UUID, now: datetime) -> None:
    """Take an identity back. Raises IdentityNotFound, LastIdentity when nothing else would be left to sign in with."""
    account = await _own(session, actor)
    identities = {one.id: one for one in await list_identities(session, account_id=account.id)}
    identity = identities.get(identity_id)
    if identity is None:
        raise IdentityNotFound("请刷新列表。", "Look at the list again.")
    if account.phone is None and len(identities) == 1:
        raise LastIdentity("请先绑定手机号或其他登录方式。", "Link a phone or another identity first.")
    await session.execute(delete(ExternalIdentity).where(ExternalIdentity.id == identity.id))
    await _record(session, actor, "unlinked", identity, now)


async def raise_assurance(
    session: AsyncSession, *, account: Account, to: Literal["phone", "real_name"], now: datetime
) -> None:
    """Note how sure we are of ``account`` from now on; its devices learn it at their next refresh, within seconds."""
    if RANK[account.assurance] >= RANK[to]:
        return
    await session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(assurance=to, version=Account.version + 1)
        .execution_options(synchronize_session="fetch")
    )
    await recall_tokens(session, account_id=account.id, now=now)


async def _by_phone(session: AsyncSession, ring: KeyRing, phone: str) -> Account | None:
    """Whose phone it is, until the transaction ends: nobody else makes an account for it meanwhile.

    For share: somebody who locks the account waits, and then ends the session that follows. Uses
    account_phone_blind_key.
    """
    await _only_me(session, ring, PHONE, phone)
    account: Account | None = await session.scalar(
        select(Account).where(Account.phone_blind.in_(ring.blinds(PHONE, phone))).with_for_update(read=True)
    )
    return account


async def _by_subject(
    session: AsyncSession, ring: KeyRing, shown: ExternalSubject
) -> ExternalIdentity | None:
    """Uses external_identity_subject_blind_key."""
    said = _said(shown)
    await _only_me(session, ring, SUBJECT, said)
    identity: ExternalIdentity | None = await session.scalar(
        select(ExternalIdentity).where(ExternalIdentity.subject_blind.in_(ring.blinds(SUBJECT, said)))
    )
    return identity


async def _only_me(session: AsyncSession, ring: KeyRing, field: str, said: str) -> None:
    """Two first sign-ins at once must not make two accounts."""
    await session.execute(select(func.pg_advisory_xact_lock(ring.lock_number(field, said))))


async def _own(session: AsyncSession, actor: Actor) -> Account:
    """The actor's account, its row locked: of two changes to how it signs in, one comes second. Raises ResidentsOnly."""
    assert actor.account_id is not None
    account = await session.get(Account, actor.account_id, with_for_update=True)
    assert account is not None
    if account.kind != "resident":
        raise ResidentsOnly(
            "工作人员请使用用户名和密码登录。", "Staff sign in with their username and password."
        )
    return account


def _new_resident(now: datetime) -> Account:
    return Account(id=new_id(), kind="resident", state="active", assurance="none", created_at=now)


def _set_phone(ring: KeyRing, account: Account, phone: str) -> None:
    account.phone = ring.encrypt(PHONE, account.id, phone)
    account.phone_blind = ring.blind(PHONE, phone)


def _identity(ring: KeyRing, account_id: UUID, shown: ExternalSubject, now: datetime) -> ExternalIdentity:
    row, said = new_id(), _said(shown)
    return ExternalIdentity(
        id=row,
        account_id=account_id,
        provider=shown.provider,
        subject=ring.encrypt(SUBJECT, row, said),
        subject_blind=ring.blind(SUBJECT, said),
        created_at=now,
        used_at=now,
    )


def _said(shown: ExternalSubject) -> str:
    return f"{shown.provider}:{shown.subject}"


async def _record(
    session: AsyncSession, actor: Actor, what: str, identity: ExternalIdentity, now: datetime
) -> None:
    await record(
        session,
        actor,
        action="account.own",
        object_kind="account",
        object_id=identity.account_id,
        detail={what: identity.provider},
        now=now,
    )
