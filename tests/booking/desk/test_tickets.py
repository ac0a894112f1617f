"""The signed text of a QR code."""

from itertools import count
from uuid import UUID

import pytest

from booking.desk.tickets import CHARS, read_ticket, ticket_digest, ticket_of, tickets_of
from booking.errors import InvalidTicket
from booking.models import Reservation
from core.ids import new_id
from core.keyring import Key, KeyRing

ONE, OTHER, SM = Key.create("a1", "aes"), Key.create("a2", "aes"), Key.create("g1", "gm")


def a_reservation() -> Reservation:
    return Reservation(id=new_id())


def test_a_ticket_leads_to_its_reservation():
    ring, one = KeyRing([ONE]), a_reservation()
    ticket = ticket_of(ring, one)
    assert len(ticket) == CHARS
    assert read_ticket(ring, ticket) == one.id
    assert read_ticket(ring, f" {ticket}\n") == one.id  # scanners add line ends


def test_a_ticket_outlives_the_rotation_of_keys_but_not_its_key():
    one = a_reservation()
    printed = ticket_of(KeyRing([ONE]), one)
    assert read_ticket(KeyRing([SM, ONE]), printed) == one.id
    with pytest.raises(InvalidTicket):
        read_ticket(KeyRing([SM, OTHER]), printed)


def test_tickets_of_all_keys_are_accepted_and_the_current_one_is_shown():
    ring, one = KeyRing([SM, ONE, OTHER]), a_reservation()
    accepted = list(tickets_of(ring, one))
    assert [read_ticket(ring, ticket) for ticket in accepted] == [one.id] * 3
    assert accepted[0] == ticket_of(ring, one)


def forged() -> list[str]:
    ring, one = KeyRing([ONE]), a_reservation()
    prefix, said, mac = ticket_of(ring, one).split(".")
    other = ticket_of(ring, a_reservation()).split(".")
    return [
        "",
        "402913",
        f"{prefix}.{said}",
        f"{prefix}.{said}.",
        f"{prefix}.{other[1]}.{mac}",
        f"{prefix}.{said}.{other[2]}",
        f"XB2.{said}.{mac}",
        f"{prefix}.{said}.{mac}.{mac}",
        f"{prefix}.{said}.{mac[:-2]}",
        f"{prefix}.{said}.{mac}=",
        f"{prefix}.{said}.{'é' * 22}",
        f"{prefix}.{UUID(int=0)}.{mac}",
        # The last of 22 characters carries four bits that mean nothing: one way of writing a ticket is accepted.
        f"{prefix}.{said[:-1]}{chr(ord(said[-1]) + 1)}.{mac}",
    ]


@pytest.mark.parametrize("text", forged(), ids=count())
def test_what_was_made_up_or_altered_is_refused(text):
    with pytest.raises(InvalidTicket):
        read_ticket(KeyRing([ONE]), text)


def test_a_digest_recognises_a_ticket_and_holds_nothing_of_its_signature():
    ring, one = KeyRing([ONE]), a_reservation()
    ticket = ticket_of(ring, one)
    assert ticket_digest(ticket) == ticket_digest(ticket_of(ring, one))
    assert ticket_digest(ticket) not in ticket
    assert ticket_digest(ticket) != ticket_digest(ticket_of(ring, a_reservation()))
