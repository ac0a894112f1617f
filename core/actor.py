"""Who acts. Routes and commands build an actor; domain functions receive it and ask it (``core/permissions.py``)."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

Channel = Literal["web", "app", "kiosk", "counter", "phone", "system"]
Role = Literal[
    "resident",
    "seeker",
    "employer",
    "site_staff",
    "carer",
    "clinician",
    "inspector",
    "district_admin",
    "system_admin",
    "security_admin",
    "auditor",
]
ScopeKind = Literal["own", "site", "township", "category", "district"]
# How sure we are who somebody is: a phone that answered, or a name and number that a register confirmed (实名).
Assurance = Literal["none", "phone", "real_name"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role within a scope. ``scope_id``: site id, area id or category code; None for ``own`` and ``district``."""

    role: Role
    scope: ScopeKind
    scope_id: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller: a name for the record, how they reach us, and what they were granted.

    ``name`` never holds personal data: ``account:<id>``, ``operator:<login>``, ``anyone``, ``system``.
    """

    name: str
    channel: Channel
    account_id: UUID | None = None
    session_id: UUID | None = None
    assurance: Assurance = "none"
    grants: tuple[Grant, ...] = field(default=())
    request_id: str | None = None

    @property
    def is_system(self) -> bool:
        """A process or operator of ours, who may do everything and is on record like anyone."""
        return self.channel == "system"

    @property
    def roles(self) -> frozenset[Role]:
        """Every role held, in whichever scope."""
        return frozenset(grant.role for grant in self.grants)


ANYONE = Actor(name="anyone", channel="web")
SYSTEM = Actor(name="system", channel="system")


def operator(name: str) -> Actor:
    """A person at the command line of the server."""
    return Actor(name=f"operator:{name}", channel="system")
