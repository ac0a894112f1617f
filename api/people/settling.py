"""What the routes of residents and of the desk share when a request to be, or to act for, somebody is settled."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.codes import PAUSE, send_code, too_soon
from api.identity.errors import CodeTooSoon, TooManyCodes
from api.identity.sessions import recall_tokens
from api.messages.notices import tell
from api.params import area_id_of
from api.runtime import Runtime
from booking.people.dates import local_date
from booking.people.delegations import words_of
from booking.people.errors import CodeNeeded, DelegationNotFound, PersonNotFound
from booking.people.models import Account, Delegation, Person, PersonRequest
from booking.people.notices import shown_phone
from booking.people.persons import STRENGTH, Verification, find_own_person, phone_of_account, read_facts
from booking.people.requests import code_phone_of, find_request, read_request, take_request
from booking.people.settling import Way, Witnessed, claim, delegate
from booking.people.verifiers import Verdict, make_verifier
from core.actor import ANYONE, Actor
from core.keyring import KeyRing
from geo.areas import get_area
from geo.errors import UnknownArea
from geo.models import Area


async def find_home(session: AsyncSession, ref: str | None, *, now: datetime) -> UUID | None:
    """The id of the area that ``ref`` (an id or any code) names. Raises UnknownArea."""
    if ref is None:
        return None
    area_id = area_id_of(ref)
    if area_id is None:
        return (await get_area(session, ANYONE, code=ref, on=local_date(now))).id
    if await session.scalar(select(Area.id).where(Area.id == area_id)) is None:
        raise UnknownArea("请核对居住地编号。", "Check the id of the home area.")
    return area_id


async def get_request(
    session: AsyncSession, actor: Actor, *, request_id: UUID, now: datetime
) -> PersonRequest:
    """The actor's own request while it waits. Raises DelegationNotFound."""
    row = await find_request(session, actor, request_id=request_id, now=now)
    if row is None:
        raise no_request()
    return row


async def send_request_code(
    session: AsyncSession, ring: KeyRing, row: PersonRequest, *, now: datetime
) -> None:
    """Send a code for a request, if one can go anywhere. Raises CodeTooSoon when this request just had one.

    What else was sent to the phone is not the caller's to know, since it may be one on record: then none is sent, quietly.
    """
    if row.code_asked_at is not None and row.code_asked_at + PAUSE > now:
        raise too_soon(row.code_asked_at + PAUSE - now)
    row.code_asked_at = now
    phone = code_phone_of(ring, row)
    if phone is None:
        return
    account = await session.get_one(Account, row.account_id)
    # Whoever passes a code on should know to whom, how far and until when they agree.
    said = {"asked_by": shown_phone(phone_of_account(ring, account)) or ""}
    if row.until_on is not None:
        said |= {"scopes": words_of(row.scopes), "until": row.until_on.isoformat()}
    with suppress(CodeTooSoon, TooManyCodes):
        await send_code(
            session, ring, phone=phone, purpose="delegation", subject_id=row.id, said=said, now=now
        )


def no_request() -> DelegationNotFound:
    """Nothing waits under this id."""
    return DelegationNotFound(
        "请核对编号；申请可能已办结或过期。", "Check the id; it may be settled or expired."
    )


async def ask_verifier(runtime: Runtime, actor: Actor, *, subject_id: UUID, now: datetime) -> Verdict:
    """What the verifier says of a request of the actor's, or of the actor's own person.

    It may take seconds: what it is asked is read in a transaction of its own, which has ended by then. Raises
    DelegationNotFound, CodeNeeded, PersonNotFound, VerifierAway.
    """
    guardian = None
    async with runtime.database.transaction() as session:
        row = await find_request(session, actor, request_id=subject_id, now=now)
        own = await find_own_person(session, actor)
        if row is not None:
            subject = read_request(runtime.ring, row)
            if row.relation == "guardian":
                if own is None:
                    raise PersonNotFound(
                        "请先登记并核验您本人。", "Register and verify yourself first.", person_id=subject_id
                    )
                if STRENGTH[own.verification] < STRENGTH["desk"]:
                    # A register that knows parent and child says nothing about who is calling.
                    raise _desk_confirms()
                guardian = read_facts(runtime.ring, own)
            elif row.relation != "self":
                raise CodeNeeded(
                    "请提交发到对方手机上的验证码；没有手机的，请社区回访或到窗口确认。",
                    "Send the code that their phone got; without a phone, ask for a call-back or come to the desk.",
                )
        elif own is not None and own.id == subject_id:
            subject = read_facts(runtime.ring, own)
        else:
            raise no_request()
    verdict = await make_verifier(runtime.settings).check(
        reference=subject_id, subject=subject, guardian=guardian, now=now
    )
    if guardian is not None and verdict.verification == "checksum":
        raise _desk_confirms()
    return verdict


def _desk_confirms() -> CodeNeeded:
    return CodeNeeded(
        "监护关系请携带户口本或出生证明到服务窗口确认；您本人已实名核验的，也可由登记机关确认。",
        "Guardianship is confirmed at a service desk, with the household register or birth certificate; or by a register,"
        " once you are confirmed yourself.",
    )


async def settle(
    session: AsyncSession,
    actor: Actor,
    runtime: Runtime,
    *,
    request_id: UUID,
    account_id: UUID | None,
    verification: Verification,
    way: Way,
    real_name: bool = False,
    witnessed: Witnessed | None = None,
    now: datetime,
) -> tuple[Person, Delegation | None]:
    """Settle a request: somebody is themselves now, or is acted for. Both sides are told, and tokens catch up.

    ``account_id`` narrows to requests of that account. Raises what ``claim`` and ``delegate`` raise.
    """
    ring = runtime.ring
    row = await take_request(session, actor, request_id=request_id, account_id=account_id, now=now)
    if row.relation != "self":
        person, one, notices = await delegate(
            session, actor, ring=ring, request=row, way=way, witnessed=witnessed, now=now
        )
        await tell(session, ring, notices, now=now)
        return person, one
    before = await _levels(session, runtime, row)
    person, notices = await claim(
        session, actor, ring=ring, request=row, verification=verification, real_name=real_name, now=now
    )
    await tell(session, ring, notices, now=now)
    for account_id, level in before.items():
        if (await session.get_one(Account, account_id)).assurance != level:
            await recall_tokens(session, account_id=account_id, now=now)
    return person, None


async def _levels(session: AsyncSession, runtime: Runtime, row: PersonRequest) -> dict[UUID, str]:
    """The accounts whose level a claim may change: who asked, and who holds the document so far."""
    number = read_request(runtime.ring, row).id_number
    assert number is not None
    holder = (
        select(Person.account_id)
        .where(Person.id_number_blind.in_(runtime.ring.blinds("person.id_number", number)))
        .scalar_subquery()
    )
    accounts = await session.scalars(
        select(Account).where(or_(Account.id == row.account_id, Account.id == holder))
    )
    return {account.id: account.assurance for account in accounts}
