"""Who acts. Routes and commands build an actor; domain functions receive it and ask it."""

from dataclasses import dataclass
from typing import Literal

Channel = Literal["web", "app", "kiosk", "counter", "phone", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller, as far as the domain needs to know: a name for the record and how they reach us."""

    name: str
    channel: Channel


ANYONE = Actor(name="anyone", channel="web")
SYSTEM = Actor(name="system", channel="system")


def operator(name: str) -> Actor:
    """A person at the command line of the server."""
    return Actor(name=name, channel="system")
