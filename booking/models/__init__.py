"""Tables of the booking engine: what is offered, when, how many places there are, and who holds them.

How they keep each other honest is in docs/booking.md.
"""

from booking.models.attendance import AttendanceMark
from booking.models.commitment import PersonCommitment, PersonQuota
from booking.models.event import Event
from booking.models.offering import Offering, OfferingTemplate
from booking.models.reservation import Allocation, Reservation, ReservationStep
from booking.models.resource import Resource, ResourceSpan, Seat, SlotSeat
from booking.models.slot import Allotment, Slot, SlotBucket, SlotNeed, SlotWarning
from booking.models.standing import StandingBooking, StandingDate
from booking.models.waitlist import WaitlistEntry

__all__ = [
    "Allocation",
    "Allotment",
    "AttendanceMark",
    "Event",
    "Offering",
    "OfferingTemplate",
    "PersonCommitment",
    "PersonQuota",
    "Reservation",
    "ReservationStep",
    "Resource",
    "ResourceSpan",
    "Seat",
    "Slot",
    "SlotBucket",
    "SlotNeed",
    "SlotSeat",
    "SlotWarning",
    "StandingBooking",
    "StandingDate",
    "WaitlistEntry",
]
