"""Who is at the command line."""

import getpass

from core.actor import Actor, operator

NAMELESS = "cli"  # a container may run as a number that no account has


def acting_operator() -> Actor:
    """The person the operating system says it is, for the record."""
    try:
        return operator(getpass.getuser())
    except (KeyError, OSError):
        return operator(NAMELESS)
