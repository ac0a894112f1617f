"""Counted places with tiers and a waiting list, as simple as can be said: what the engine must agree with, step by step.

Reserved for the counter: the tier ``counter``. Everyone else books and waits for ``general``. The queue is strict.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOLD, OFFER = timedelta(minutes=5), timedelta(minutes=30)
GENERAL, DESK = ("general",), ("counter", "general")


class Refused(Exception):
    """With the code of the refusal; nothing has changed."""


@dataclass
class Held:
    """A reservation: which bucket gives how many places."""

    person: int
    slot: str
    party: int
    claims: dict[str, int]
    state: str
    expires_at: datetime | None = None
    entry: int | None = None


@dataclass
class Entry:
    """A party that waits."""

    person: int
    slot: str
    party: int
    state: str = "waiting"
    reservation: int | None = None


@dataclass
class Model:
    """Reservations and entries by the order in which they came; ``aside``: (slot, tier) -> places kept for the queue."""

    capacity: dict[str, dict[str, int]]
    overlaps: set[frozenset[str]]
    now: datetime
    reservations: list[Held] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    aside: dict[tuple[str, str], int] = field(default_factory=dict)

    def attempt(self, name: str, *arguments: object) -> str:
        """Do it, or change nothing and say why."""
        kept = deepcopy(self)
        try:
            getattr(self, name)(*arguments)
        except Refused as refused:
            self.__dict__ = kept.__dict__
            return str(refused)
        return "ok"

    # Reading

    def taken(self, slot: str, tier: str, *states: str) -> int:
        return sum(
            one.claims.get(tier, 0) for one in self.reservations if one.slot == slot and one.state in states
        )

    def free(self, slot: str, tier: str) -> int:
        busy = self.taken(slot, tier, "held", "confirmed")
        return self.capacity[slot][tier] - busy - self.aside.get((slot, tier), 0)

    def waiting(self, slot: str) -> list[Entry]:
        return [one for one in self.entries if one.slot == slot and one.state == "waiting"]

    def busy(self, person: int, slot: str, but: Held | None = None) -> bool:
        return any(
            one.person == person
            and one is not but
            and one.state in ("held", "confirmed")
            and (one.slot == slot or frozenset((one.slot, slot)) in self.overlaps)
            for one in self.reservations
        )

    def pick(self, free: dict[str, int], tiers: tuple[str, ...], party: int) -> dict[str, int] | None:
        """From one bucket if it can be, one's own first."""
        mine = [tier for tier in tiers if tier in free]
        for tier in mine:
            if free[tier] >= party:
                return {tier: party}
        claims: dict[str, int] = {}
        for tier in mine:
            some = min(party - sum(claims.values()), max(0, free[tier]))
            if some:
                claims[tier] = some
        return claims if sum(claims.values()) == party else None

    def frees(self, slot: str) -> dict[str, int]:
        return {tier: self.free(slot, tier) for tier in self.capacity[slot]}

    # Doing

    def reserve(self, person: int, slot: str, party: int, desk: bool, hold: bool) -> None:
        self.expire(slot)
        claims = self.pick(self.frees(slot), DESK if desk else GENERAL, party)
        if claims is None:
            raise Refused("slot-full")
        if self.busy(person, slot):
            raise Refused("person-busy")
        state, until = ("held", self.now + HOLD) if hold else ("confirmed", None)
        self.reservations.append(Held(person, slot, party, claims, state, until))

    def confirm(self, number: int) -> None:
        one = self.reservations[number]
        if one.state == "confirmed":
            return
        if one.state == "expired" or (one.state == "held" and one.expires_at and one.expires_at <= self.now):
            raise Refused("hold-expired")
        if one.state != "held":
            raise Refused("wrong-state")
        one.state, one.expires_at = "confirmed", None
        self.settle(one, "accepted")

    def cancel(self, number: int) -> None:
        one = self.reservations[number]
        if one.state == "cancelled":
            return
        if one.state not in ("held", "confirmed"):
            raise Refused("wrong-state")
        waited = self.give_back(one, "cancelled")
        self.settle(one, "declined")
        if waited:
            self.promote(one.slot)

    def reschedule(self, number: int, slot: str) -> None:
        one = self.reservations[number]
        if one.state not in ("held", "confirmed"):
            raise Refused("wrong-state")
        if one.state == "held" and one.expires_at and one.expires_at <= self.now:
            raise Refused("hold-expired")
        self.expire(slot)
        if slot == one.slot:
            raise Refused("invalid-wish")
        claims = self.pick(self.frees(slot), GENERAL, one.party)
        if claims is None:
            raise Refused("slot-full")
        if self.busy(one.person, slot, but=one):
            raise Refused("person-busy")
        before, waited = one.slot, bool(self.waiting(one.slot))
        if waited:
            for tier, places in one.claims.items():
                self.aside[before, tier] = self.aside.get((before, tier), 0) + places
        one.slot, one.claims = slot, claims
        if waited:
            self.promote(before)

    def expire(self, slot: str) -> None:
        waited = False
        for one in [one for one in self.reservations if one.slot == slot and one.state == "held"]:
            if one.expires_at is not None and one.expires_at <= self.now:
                waited = self.give_back(one, "expired") or waited
                self.settle(one, "expired")
        if waited:
            self.promote(slot)

    def give_back(self, one: Held, state: str) -> bool:
        waited = bool(self.waiting(one.slot))
        one.state = state
        if waited:
            for tier, places in one.claims.items():
                self.aside[one.slot, tier] = self.aside.get((one.slot, tier), 0) + places
        return waited

    def settle(self, one: Held, state: str) -> None:
        if one.entry is not None and self.entries[one.entry].state == "offered":
            self.entries[one.entry].state = state

    # Waiting

    def join(self, person: int, slot: str, party: int) -> None:
        if self.busy(person, slot):
            raise Refused("person-busy")
        if any(
            one.person == person and one.slot == slot and one.state in ("waiting", "offered")
            for one in self.entries
        ):
            raise Refused("already-waiting")
        if party > self.capacity[slot]["general"]:
            raise Refused("not-waitable")
        free = self.frees(slot)
        if not self.waiting(slot):
            for one in self.reservations:
                if one.slot == slot and one.state == "held" and one.expires_at and one.expires_at <= self.now:
                    for tier, places in one.claims.items():
                        free[tier] += places
        if self.pick(free, GENERAL, party) is not None:
            raise Refused("places-left")
        self.entries.append(Entry(person, slot, party))

    def leave(self, number: int) -> None:
        one = self.entries[number]
        if one.state == "left":
            return
        if one.state != "waiting":
            raise Refused("wrong-entry-state")
        one.state = "left"
        self.promote(one.slot)

    def accept(self, number: int) -> None:
        one = self.entries[number]
        if one.state == "accepted":
            return
        if one.state != "offered" or one.reservation is None:
            raise Refused("wrong-entry-state")
        self.confirm(one.reservation)

    def decline(self, number: int) -> None:
        one = self.entries[number]
        if one.state == "declined":
            return
        if one.state != "offered" or one.reservation is None:
            raise Refused("wrong-entry-state")
        self.cancel(one.reservation)

    def promote(self, slot: str) -> None:
        """In order; a party that does not fit closes its buckets to those behind it, and keeps what is set aside there."""
        closed: set[str] = set()
        for number, one in enumerate(self.entries):
            if one.slot != slot or one.state != "waiting":
                continue
            reach = {
                tier: free + self.aside.get((slot, tier), 0)
                for tier, free in self.frees(slot).items()
                if tier not in closed
            }
            claims = self.pick(reach, GENERAL, one.party)
            if claims is None:
                closed.add("general")
                continue
            if self.busy(one.person, slot):
                one.state = "passed"
                continue
            for tier, places in claims.items():
                self.aside[slot, tier] = max(0, self.aside.get((slot, tier), 0) - places)
            self.reservations.append(
                Held(one.person, slot, one.party, claims, "held", self.now + OFFER, entry=number)
            )
            one.state, one.reservation = "offered", len(self.reservations) - 1
        for tier in self.capacity[slot]:
            if tier not in closed:
                self.aside[slot, tier] = 0
