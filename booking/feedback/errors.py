"""What can go wrong with complaints and ratings. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Invalid, NotFound


class ComplaintNotFound(NotFound):
    """There is no such complaint, or you may not see it."""

    code = "complaint-not-found"
    title_zh = "没有这件投诉"


class ComplaintState(Conflict):
    """The complaint's state does not allow this."""

    code = "complaint-state"
    title_zh = "投诉目前的状态不能这样办理"


class ReopenedBefore(Conflict):
    """A complaint can be reopened once."""

    code = "complaint-reopened-before"
    title_zh = "同一投诉只能重新提出一次"


class ReopenTooLate(Conflict):
    """It is too late to reopen this complaint."""

    code = "complaint-reopen-too-late"
    title_zh = "已过重新提出的期限"


class ComplaintEscalated(Forbidden):
    """This complaint was escalated; those above answer it."""

    code = "complaint-escalated"
    title_zh = "投诉已上报，由上级答复"


class NotVisited(Conflict):
    """There is no visit to rate."""

    code = "not-visited"
    title_zh = "没有可以评价的到访记录"


class AlreadyRated(Conflict):
    """This visit has been rated already."""

    code = "already-rated"
    title_zh = "这次服务已经评价过"


class RatingNotFound(NotFound):
    """There is no such rating of yours."""

    code = "rating-not-found"
    title_zh = "没有这条评价"


class RatingFinal(Conflict):
    """A rating can be changed on the day it was given."""

    code = "rating-final"
    title_zh = "评价只能在当天修改"


class RatingInFuture(Invalid):
    """Nobody can have rated on a day to come."""

    code = "rating-in-future"
    title_zh = "评价日期不能在今天之后"


class UnknownService(Invalid):
    """The site offers no such service."""

    code = "unknown-service"
    title_zh = "该服务点没有这项服务"


class SheetEntered(Conflict):
    """This sheet was entered already."""

    code = "sheet-entered"
    title_zh = "这张评价表已经录入"


class SheetNotFound(NotFound):
    """There is no such sheet."""

    code = "sheet-not-found"
    title_zh = "没有这张评价表"
