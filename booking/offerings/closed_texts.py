"""Why a slot was closed by the engine itself, as people read it; anything else is what staff said of one slot.

What the engine closed it opens again when the reason is gone; what staff closed stays closed. The words tell the two
apart, so staff may not begin theirs like ours.
"""

from booking.offerings.errors import SlotInvalid

SITE_CLOSED = "服务点停业"
SITE_INACTIVE = "服务点已停办"
# The weekly template no longer has it and nobody had booked: as if it had never been there, and shown to nobody.
TEMPLATE_CHANGED = "排班调整，取消本时段"
OWN = (SITE_CLOSED, SITE_INACTIVE, TEMPLATE_CHANGED)
MOST_CHARS = 300


def check_reason(reason: str) -> str:
    """What staff say, fit to be shown. Raises SlotInvalid."""
    reason = reason.strip()
    if not reason or len(reason) > MOST_CHARS:
        raise SlotInvalid(f"请用 1 到 {MOST_CHARS} 字说明原因。", f"Say why in 1 to {MOST_CHARS} characters.")
    if reason.startswith(OWN):
        raise SlotInvalid(
            "请换一种说法：这几个字留给系统自动停止的时段。",
            "Put it differently: these words are kept for slots closed automatically.",
        )
    return reason
