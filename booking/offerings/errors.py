"""What can go wrong while staff set up offerings. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Invalid, NotFound, Outdated


class OfferingChanged(Outdated):
    """Somebody else changed this offering meanwhile."""

    code = "offering-changed"
    title_zh = "这个预约项目刚被别人修改过"


class OfferingInvalid(Invalid):
    """This cannot be said of an offering."""

    code = "offering-invalid"
    title_zh = "预约项目的内容有误"


class WrongOfferingState(Conflict):
    """The offering's state does not allow it."""

    code = "wrong-offering-state"
    title_zh = "预约项目当前状态不允许此操作"


class TemplateNotFound(NotFound):
    """There is no such template."""

    code = "template-not-found"
    title_zh = "没有这个排班模板"


class TemplateChanged(Outdated):
    """Somebody else changed this template meanwhile."""

    code = "template-changed"
    title_zh = "这个排班模板刚被别人修改过"


class TemplateInvalid(Invalid):
    """This cannot be said of a template."""

    code = "template-invalid"
    title_zh = "排班模板的内容有误"


class TemplateEnded(Conflict):
    """This template has ended."""

    code = "template-ended"
    title_zh = "这个排班模板已经停用"


class PlacesTaken(Conflict):
    """More places are taken than that."""

    code = "places-taken"
    title_zh = "已占用的名额比这更多"


class SlotInvalid(Invalid):
    """This cannot be said of a slot."""

    code = "slot-invalid"
    title_zh = "时段的内容有误"


class SlotOver(Conflict):
    """This slot is over or closed."""

    code = "slot-over"
    title_zh = "这个时段已经结束或已停止"


class SeatsInvalid(Invalid):
    """This seat map cannot be used."""

    code = "seats-invalid"
    title_zh = "座位图有误"


class SeatsTaken(Conflict):
    """Seats that would go or change are booked."""

    code = "seats-taken"
    title_zh = "要去掉或更改的座位已有人预约"


class ResourcesInvalid(Invalid):
    """These resources cannot be used."""

    code = "resources-invalid"
    title_zh = "场地或人员列表有误"


class AllotmentNotFound(NotFound):
    """No block of places was lent for this slot."""

    code = "allotment-not-found"
    title_zh = "这个时段没有借入的号源"


class AllotmentReturned(Conflict):
    """The block has gone back to its lender."""

    code = "allotment-returned"
    title_zh = "这批号源已经归还"
