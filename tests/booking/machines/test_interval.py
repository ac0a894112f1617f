"""Courts and coaches from … to …: one of each for a booking, and nobody's time overlaps another's."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from booking.reservations.life import cancel, confirm
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish, reserve
from tests.booking.bookable import NOON, NOW
from tests.booking.machines.house import check

HOLD = timedelta(minutes=5)
HALF_HOUR = timedelta(minutes=30)
NAMES = {"court 1": "court", "court 2": "court", "coach 1": "coach", "coach 2": "coach"}
starts, lengths = st.integers(0, 7), st.integers(1, 4)
named = st.sampled_from([None, *NAMES])
any_of = st.integers(0, 10_000)


class Interval(RuleBasedStateMachine):
    """One window of four hours. A booking is a dict: from, to (half hours), what it has, its state."""

    house = None

    @initialize()
    def begin(self):
        async def work(rows):
            offering = await rows.offering(kind="venue", shape="interval", exclusive=False)
            resources = {name: await rows.resource(offering, name, role) for name, role in NAMES.items()}
            window = await rows.slot(offering, starts_at=NOON, minutes=240)
            return offering, resources, window, await rows.resident()

        self.offering, self.resources, self.window, self.resident = self.house.make(work)
        self.names = {one.id: name for name, one in self.resources.items()}
        self.bookings, self.now = [], NOW

    def is_free(self, name, start, end, but=None):
        return all(
            one is but or name not in one["has"] or end <= one["from"] or start >= one["to"]
            for one in self.bookings
            if one["state"] in ("held", "confirmed")
        )

    def fits(self, start, end, name, but=None):
        return all(
            any(
                self.is_free(one, start, end, but)
                for one, role in NAMES.items()
                if role == wanted and (name is None or NAMES[name] != role or one == name)
            )
            for wanted in ("court", "coach")
        )

    def expire(self):
        """What runs out when somebody asks for the window."""
        for one in self.bookings:
            if one["state"] == "held" and one["until"] <= self.now:
                one["state"] = "expired"

    def has(self, reservation_id):
        rows = self.house.rows(
            "select resource_id, lower(during) as start, upper(during) as over from resource_span"
            " where reservation_id = :id",
            id=reservation_id,
        )
        return {self.names[row.resource_id]: (row.start, row.over) for row in rows}

    def take(self, one, start, end, name):
        """What the engine gave is one of each, was free, and is what was named."""
        given = self.has(one["id"])
        assert sorted(NAMES[each] for each in given) == ["coach", "court"]
        assert set(given.values()) == {(NOON + start * HALF_HOUR, NOON + end * HALF_HOUR)}
        assert all(self.is_free(each, start, end, one) for each in given)
        assert name is None or name in given
        one |= {"from": start, "to": end, "has": set(given)}

    @rule(start=starts, length=lengths, name=named, hold=st.booleans())
    def book(self, start, length, name, hold):
        end = start + length
        wish = Wish(
            self.resident.person_id,
            slot_id=self.window.id,
            resource_id=name and self.resources[name].id,
            starts_at=NOON + start * HALF_HOUR,
            ends_at=NOON + end * HALF_HOUR,
            hold=hold,
        )
        told, made = self.house.tell(
            lambda session: reserve(
                session, self.resident.actor, ring=self.house.ring, wish=wish, now=self.now
            )
        )
        kept = [one["state"] for one in self.bookings]
        self.expire()
        expected = "invalid-wish" if end > 8 else "ok" if self.fits(start, end, name) else "resource-taken"
        assert told == expected
        if made is None:
            for one, state in zip(self.bookings, kept, strict=True):
                one["state"] = state
            return
        one = {
            "id": made.id,
            "state": "held" if hold else "confirmed",
            "until": self.now + HOLD,
            "has": set(),
        }
        self.bookings.append(one | {"from": 0, "to": 0})
        self.take(self.bookings[-1], start, end, name)

    @precondition(lambda self: self.bookings)
    @rule(chosen=any_of, start=starts, length=lengths)
    def move(self, chosen, start, length):
        one, end = self.bookings[chosen % len(self.bookings)], start + length
        told, _ = self.house.tell(
            lambda session: reschedule(
                session,
                self.resident.actor,
                ring=self.house.ring,
                reservation_id=one["id"],
                starts_at=NOON + start * HALF_HOUR,
                ends_at=NOON + end * HALF_HOUR,
                now=self.now,
            )
        )
        if one["state"] not in ("held", "confirmed"):
            assert told == "wrong-state"
            return
        if one["state"] == "held" and one["until"] <= self.now:
            assert told == "hold-expired"
            return
        kept = [each["state"] for each in self.bookings]
        self.expire()
        if end > 8:
            assert told == "slot-not-found"  # no window holds that span
        else:
            assert told == ("ok" if self.fits(start, end, None, one) else "resource-taken")
        if told == "ok":
            self.take(one, start, end, None)
        else:
            for each, state in zip(self.bookings, kept, strict=True):
                each["state"] = state

    @precondition(lambda self: self.bookings)
    @rule(chosen=any_of, confirms=st.booleans())
    def end(self, chosen, confirms):
        one = self.bookings[chosen % len(self.bookings)]
        act = confirm if confirms else cancel
        told, _ = self.house.tell(
            lambda session: act(session, self.resident.actor, reservation_id=one["id"], now=self.now)
        )
        late = one["state"] == "held" and one["until"] <= self.now
        if confirms:
            if one["state"] == "expired" or late:
                expected = "hold-expired"
            else:
                expected = "ok" if one["state"] in ("held", "confirmed") else "wrong-state"
        else:
            expected = "wrong-state" if one["state"] == "expired" else "ok"
        assert told == expected
        if told == "ok":
            one["state"] = "confirmed" if confirms else "cancelled"

    @rule(minutes=st.integers(1, 10))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @invariant()
    def spans_agree(self):
        for one in getattr(self, "bookings", ()):
            live = one["state"] in ("held", "confirmed")
            assert set(self.has(one["id"])) == (one["has"] if live else set())


def test_a_hold_that_ran_out_is_not_moved_back_to_life(house):
    Interval.house = house
    one = Interval()
    one.begin()
    one.book(0, 1, None, True)
    one.time_passes(10)
    one.move(0, 2, 1)
    one.spans_agree()


def test_no_time_is_ever_given_twice(house):
    Interval.house = house
    check(Interval, examples=40, steps=20)
    assert house.findings() == {}
