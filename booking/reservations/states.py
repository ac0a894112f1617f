"""The one table of a reservation's states, and of how it may go from one to another."""

from collections.abc import Mapping

from booking.errors import WrongState

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "held": frozenset({"confirmed", "cancelled", "expired"}),
    "confirmed": frozenset({"checked_in", "no_show", "cancelled"}),
    "checked_in": frozenset({"confirmed"}),  # undone by the desk within minutes
    "no_show": frozenset({"confirmed", "checked_in"}),  # they came after all
    "cancelled": frozenset(),
    "expired": frozenset(),
}
# States in which a reservation has its places.
LIVE = frozenset({"held", "confirmed", "checked_in", "no_show"})
# Those in which it can be moved to another time.
MOVABLE = frozenset({"held", "confirmed"})
NAMES: Mapping[str, tuple[str, str]] = {
    "held": ("已保留，待确认", "held"),
    "confirmed": ("已预约", "confirmed"),
    "checked_in": ("已签到", "checked in"),
    "no_show": ("未到", "no-show"),
    "cancelled": ("已取消", "cancelled"),
    "expired": ("保留已过期", "expired"),
}


def require(state: str, to: str) -> None:
    """Raises WrongState, which names the state, when there is no way from ``state`` to ``to``."""
    if to not in TRANSITIONS[state]:
        raise wrong(state)


def wrong(state: str) -> WrongState:
    """The refusal that names the state."""
    zh, en = NAMES[state]
    return WrongState(f"当前状态：{zh}。", f"It is {en}.", state=state)
