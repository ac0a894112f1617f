"""Counted places with a reserved tier and a waiting list: the engine and the model agree after every step."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from booking.reservations import life, offers
from booking.reservations.expiry import expire_slot, next_due
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish, reserve
from booking.waitlist import queue
from tests.booking.bookable import NOON, NOW
from tests.booking.machines.counted_model import Model
from tests.booking.machines.house import check

PEOPLE = 6
RULES = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
CAPACITY = {
    "noon": {"general": 3, "counter": 1},
    "one": {"general": 2, "counter": 1},
    "elsewhere": {"general": 9, "counter": 0},
}
people, parties, places = st.integers(0, PEOPLE - 1), st.integers(1, 3), st.sampled_from(["noon", "one"])
any_of = st.integers(0, 10_000)


class Counted(RuleBasedStateMachine):
    """Six people, two slots of an offering and one elsewhere at the first one's time."""

    house = None

    @initialize()
    def begin(self):
        async def work(rows):
            lunch, other = await rows.offering(rules=RULES), await rows.offering(kind="course", rules=RULES)
            made = {}
            for name, offering, starts_at in (
                ("noon", lunch, NOON),
                ("one", lunch, NOON + timedelta(hours=1)),
                ("elsewhere", other, NOON),
            ):
                made[name] = await rows.slot(offering, CAPACITY[name], starts_at=starts_at)
            return made, [await rows.resident() for _ in range(PEOPLE)], rows.clerk()

        self.slots, self.residents, self.clerk = self.house.make(work)
        self.names = {slot.id: name for name, slot in self.slots.items()}
        self.model = Model(CAPACITY, {frozenset(("noon", "elsewhere"))}, NOW)
        self.reservations, self.entries = [], []

    def both(self, work, *said):
        """The engine and the model do the same, and say the same of it."""
        told, made = self.house.tell(work)
        assert told == self.model.attempt(*said)
        if said[0] == "join" and told == "ok":
            self.entries.append(made.id)
        self.learn()

    def learn(self):
        """Ids of reservations in the order in which they were made; offers are made by the engine."""
        found = self.house.rows(
            "select id, slot_id from reservation where person_id = any(:ids) order by id",
            ids=[one.person_id for one in self.residents],
        )
        known = set(self.reservations)
        self.reservations += [row.id for row in found if row.id not in known]

    def actor(self, person):
        return self.residents[person].actor

    @rule(
        person=people,
        place=st.sampled_from(list(CAPACITY)),
        party=parties,
        desk=st.booleans(),
        hold=st.booleans(),
    )
    def book(self, person, place, party, desk, hold):
        wish = Wish(self.residents[person].person_id, self.slots[place].id, party_size=party, hold=hold)
        actor = self.clerk if desk else self.actor(person)
        self.both(
            lambda session: reserve(session, actor, ring=self.house.ring, wish=wish, now=self.model.now),
            *("reserve", person, place, party, desk, hold),
        )

    @precondition(lambda self: self.reservations)
    @rule(chosen=any_of, act=st.sampled_from(["confirm", "cancel"]))
    def end(self, chosen, act):
        at = chosen % len(self.reservations)
        actor = self.actor(self.model.reservations[at].person)
        self.both(
            lambda session: getattr(life, act)(
                session, actor, reservation_id=self.reservations[at], now=self.model.now
            ),
            act,
            at,
        )

    @precondition(lambda self: self.reservations)
    @rule(chosen=any_of, place=places)
    def move(self, chosen, place):
        at = chosen % len(self.reservations)
        one = self.model.reservations[at]
        if one.slot == "elsewhere" or one.entry is not None:
            return
        self.both(
            lambda session: reschedule(
                session,
                self.actor(one.person),
                ring=self.house.ring,
                reservation_id=self.reservations[at],
                slot_id=self.slots[place].id,
                now=self.model.now,
            ),
            *("reschedule", at, place),
        )

    @rule(person=people, place=places, party=parties)
    def wait(self, person, place, party):
        wish = queue.Joining(self.slots[place].id, self.residents[person].person_id, party)
        self.both(
            lambda session: queue.join(
                session, self.actor(person), ring=self.house.ring, wish=wish, now=self.model.now
            ),
            *("join", person, place, party),
        )

    @precondition(lambda self: self.entries)
    @rule(chosen=any_of, act=st.sampled_from(["accept", "accept", "decline", "leave"]))
    def answer(self, chosen, act):
        at = chosen % len(self.entries)
        actor = self.actor(self.model.entries[at].person)
        function = {"accept": offers.accept_offer, "decline": offers.decline_offer, "leave": queue.leave}[act]
        self.both(
            lambda session: function(session, actor, entry_id=self.entries[at], now=self.model.now), act, at
        )

    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes):
        if self.model.now + timedelta(minutes=minutes) < NOON - timedelta(hours=12):
            self.model.now += timedelta(minutes=minutes)

    @rule()
    def the_worker_comes(self):
        """It expires what is due, slot by slot."""

        async def all_due(session):
            while (slot_id := await next_due(session, now=self.model.now)) is not None:
                await expire_slot(session, slot_id=slot_id, now=self.model.now)

        # Holds of other machines in this database ran out long ago or are theirs to expire: they change nothing here.
        self.house.run(all_due)
        due = sorted(
            {
                one.slot
                for one in self.model.reservations
                if one.state == "held" and one.expires_at <= self.model.now
            }
        )
        for slot in due:
            self.model.expire(slot)
        self.learn()

    @invariant()
    def buckets_agree(self):
        if not hasattr(self, "slots"):
            return
        rows = self.house.rows(
            "select slot_id, tier, held, confirmed, set_aside from slot_bucket where slot_id = any(:ids)",
            ids=list(self.names),
        )
        said = {(self.names[row.slot_id], row.tier): (row.held, row.confirmed, row.set_aside) for row in rows}
        model = self.model
        assert said == {
            (slot, tier): (
                model.taken(slot, tier, "held"),
                model.taken(slot, tier, "confirmed"),
                model.aside.get((slot, tier), 0),
            )
            for slot, tiers in CAPACITY.items()
            for tier in tiers
        }

    @invariant()
    def people_agree(self):
        if not hasattr(self, "slots"):
            return
        states = {
            row.id: row.state
            for row in self.house.rows(
                "select id, state from reservation where id = any(:ids)", ids=self.reservations
            )
        }
        assert [states[one] for one in self.reservations] == [one.state for one in self.model.reservations]
        waits = {
            row.id: row.state
            for row in self.house.rows(
                "select id, state from waitlist_entry where id = any(:ids)", ids=self.entries
            )
        }
        assert [waits[one] for one in self.entries] == [one.state for one in self.model.entries]


def test_the_engine_and_the_model_agree(house):
    Counted.house = house
    check(Counted, examples=20, steps=25)
    assert house.findings() == {}


def test_a_hold_that_ran_out_is_not_moved_back_to_life(house):
    Counted.house = house
    one = Counted()
    one.begin()
    one.book(0, "noon", 1, False, True)
    one.time_passes(10)
    one.move(0, "one")
    one.book(1, "one", 1, False, False)
    one.buckets_agree()
    one.people_agree()


def test_the_model_is_needed(house):
    """Negative control: a model that forgets the queue disagrees at once."""
    machine = Counted
    machine.house = house
    one = machine()
    one.begin()
    for person in range(3):
        one.book(person, "noon", 1, False, False)
    one.wait(3, "noon", 1)
    one.model.entries.clear()
    one.entries.clear()
    one.end(0, "cancel")
    try:
        one.buckets_agree()
    except AssertionError:
        return
    raise AssertionError("nobody noticed")
