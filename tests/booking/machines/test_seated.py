"""Seats: each belongs to one party or to nobody, whatever is booked, moved and given back."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from booking.reservations.life import cancel
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish, reserve
from tests.booking.bookable import NOON, NOW
from tests.booking.machines.house import check
from tests.concurrency.booking_world import hall as make_hall

HALL = ["oooo ", "o oow", "owcoo"]
halls = st.sampled_from(["first", "second"])
parties = st.integers(1, 4)
any_of = st.integers(0, 10_000)


class Seated(RuleBasedStateMachine):
    """Two performances in halls that are alike. ``taken``: hall -> seat -> number of the reservation."""

    house = None

    @initialize()
    def begin(self):
        async def work(rows):
            offering = await rows.offering(
                kind="performance", shape="seated", exclusive=False, rules={"waitlist": {"enabled": False}}
            )
            halls, seats = {}, {}
            for name in ("first", "second"):
                halls[name] = await rows.slot(offering, starts_at=NOON)
                seats[name] = await make_hall(rows, halls[name], HALL)
            return halls, seats, await rows.resident()

        self.halls, self.seats, self.resident = self.house.make(work)
        self.taken = {name: {} for name in self.halls}
        self.reservations = []  # id, hall, party, wheelchair; None: cancelled

    # What is where

    def sign(self, seat):
        row, number = (int(part) for part in seat.split("-"))
        return HALL[row - 1].replace(" ", "")[number - 1]

    def place(self, seat):
        """Row, and where in the row, gaps counted."""
        row, number = (int(part) for part in seat.split("-"))
        return row, [x for x, sign in enumerate(HALL[row - 1]) if sign != " "][number - 1]

    def free(self, hall, wheelchair=False):
        return [
            seat
            for seat in self.seats[hall]
            if seat not in self.taken[hall] and (self.sign(seat) == "w") == wheelchair
        ]

    def fits(self, hall, party, wheelchair):
        needed = party - 1 if wheelchair else party
        return len(self.free(hall)) >= needed and (not wheelchair or bool(self.free(hall, True)))

    def longest_run(self, hall):
        places = sorted(self.place(seat) for seat in self.free(hall))
        best = length = 1 if places else 0
        for one, following in pairwise(places):
            length = length + 1 if following == (one[0], one[1] + 1) else 1
            best = max(best, length)
        return best

    def given(self, reservation_id, hall):
        rows = self.house.rows(
            "select seat_id from slot_seat where reservation_id = :id and slot_id = :slot",
            id=reservation_id,
            slot=self.halls[hall].id,
        )
        names = {seat_id: name for name, seat_id in self.seats[hall].items()}
        return [names[row.seat_id] for row in rows]

    def check_given(self, hall, seats, party, wheelchair, run):
        assert len(seats) == party
        assert not set(seats) & set(self.taken[hall])
        assert sum(self.sign(seat) == "w" for seat in seats) == wheelchair
        if not wheelchair and run >= party:  # side by side while there is such a place
            places = sorted(self.place(seat) for seat in seats)
            assert all(following == (one[0], one[1] + 1) for one, following in pairwise(places))

    # What people do

    @rule(hall=halls, party=parties, wheelchair=st.booleans())
    def book_the_best(self, hall, party, wheelchair):
        run, fits = self.longest_run(hall), self.fits(hall, party, wheelchair)
        wish = Wish(self.resident.person_id, self.halls[hall].id, party_size=party, wheelchair=wheelchair)
        told, made = self.book(wish)
        assert told == ("ok" if fits else "slot-full")
        if made is not None:
            seats = self.given(made.id, hall)
            self.check_given(hall, seats, party, wheelchair, run)
            self.keep(made.id, hall, seats, wheelchair)

    @rule(
        hall=halls,
        chosen=st.lists(any_of, min_size=1, max_size=4, unique_by=lambda at: at % 12),
        honest=st.booleans(),
    )
    def book_these(self, hall, chosen, honest):
        """A wheelchair space is had by who says that it is needed, and by nobody else."""
        seats = [sorted(self.seats[hall])[at % 12] for at in chosen]
        wheelchair = any(self.sign(seat) == "w" for seat in seats)
        wish = Wish(
            self.resident.person_id,
            self.halls[hall].id,
            party_size=len(seats),
            seats=tuple(self.seats[hall][seat] for seat in seats),
            wheelchair=wheelchair == honest,
        )
        told, made = self.book(wish)
        free = not set(seats) & set(self.taken[hall])
        assert told == ("seat-taken" if not free else "ok" if honest else "invalid-wish")
        if made is not None:
            assert sorted(self.given(made.id, hall)) == sorted(seats)
            self.keep(made.id, hall, seats, wheelchair)

    def book(self, wish):
        return self.house.tell(
            lambda session: reserve(session, self.resident.actor, ring=self.house.ring, wish=wish, now=NOW)
        )

    def keep(self, reservation_id, hall, seats, wheelchair):
        self.reservations.append((reservation_id, hall, len(seats), wheelchair))
        self.taken[hall].update(dict.fromkeys(seats, len(self.reservations) - 1))

    def forget(self, at):
        for hall in self.taken.values():
            for seat in [seat for seat, number in hall.items() if number == at]:
                del hall[seat]

    @precondition(lambda self: self.reservations)
    @rule(chosen=any_of)
    def cancel(self, chosen):
        at = chosen % len(self.reservations)
        told, _ = self.house.tell(
            lambda session: cancel(
                session, self.resident.actor, reservation_id=self.reservations[at][0], now=NOW
            )
        )
        assert told == "ok"
        self.forget(at)

    @precondition(lambda self: self.reservations)
    @rule(chosen=any_of, hall=halls)
    def move(self, chosen, hall):
        at = chosen % len(self.reservations)
        reservation_id, before, party, wheelchair = self.reservations[at]
        live = at in self.taken[before].values()
        run, fits = self.longest_run(hall), self.fits(hall, party, wheelchair)
        told, _ = self.move_to(reservation_id, hall)
        if not live:
            assert told == "wrong-state"
        elif hall == before:
            assert told == "invalid-wish"
        else:
            assert told == ("ok" if fits else "slot-full")
        if told == "ok":
            seats = self.given(reservation_id, hall)
            self.check_given(hall, seats, party, wheelchair, run)
            self.forget(at)
            self.reservations[at] = (reservation_id, hall, party, wheelchair)
            self.taken[hall].update(dict.fromkeys(seats, at))

    @precondition(lambda self: self.reservations)
    @rule(chosen=any_of, start=any_of)
    def change_seats(self, chosen, start):
        """To neighbours in the list, some of which may be their own."""
        at = chosen % len(self.reservations)
        reservation_id, hall, party, _ = self.reservations[at]
        mine = [seat for seat, number in self.taken[hall].items() if number == at]
        if not mine:
            return
        names = sorted(self.seats[hall])
        seats = [names[(start + step) % len(names)] for step in range(party)]
        told, _ = self.move_to(reservation_id, hall, tuple(self.seats[hall][seat] for seat in seats))
        others = set(seats) & set(self.taken[hall]) - set(mine)
        alike = sorted(self.sign(seat) == "w" for seat in seats) == sorted(
            self.sign(seat) == "w" for seat in mine
        )
        assert told == ("seat-taken" if others else "ok" if alike else "invalid-wish")
        if told == "ok":
            self.forget(at)
            self.taken[hall].update(dict.fromkeys(seats, at))

    def move_to(self, reservation_id, hall, seats=()):
        return self.house.tell(
            lambda session: reschedule(
                session,
                self.resident.actor,
                ring=self.house.ring,
                reservation_id=reservation_id,
                slot_id=self.halls[hall].id,
                seats=seats,
                now=NOW,
            )
        )

    @invariant()
    def seats_agree(self):
        if not hasattr(self, "halls"):
            return
        numbers = {one[0]: at for at, one in enumerate(self.reservations)}
        for hall, slot in self.halls.items():
            names = {seat_id: name for name, seat_id in self.seats[hall].items()}
            rows = self.house.rows(
                "select seat_id, reservation_id from slot_seat where slot_id = :id and reservation_id is not null",
                id=slot.id,
            )
            assert {names[row.seat_id]: numbers[row.reservation_id] for row in rows} == self.taken[hall]


def test_a_hold_that_ran_out_takes_no_other_seat(house):
    Seated.house = house
    one = Seated()
    one.begin()
    wish = Wish(
        one.resident.person_id,
        one.halls["first"].id,
        seats=(one.seats["first"]["1-1"],),
        hold=True,
    )
    _, made = one.book(wish)
    late = NOW + timedelta(hours=1)
    told, _ = house.tell(
        lambda session: reschedule(
            session,
            one.resident.actor,
            ring=house.ring,
            reservation_id=made.id,
            slot_id=one.halls["first"].id,
            seats=(one.seats["first"]["1-2"],),
            now=late,
        )
    )
    assert told == "hold-expired"
    assert house.findings() == {}


def test_no_seat_is_ever_two_parties(house):
    Seated.house = house
    check(Seated, examples=15, steps=20)
    assert house.findings() == {}
