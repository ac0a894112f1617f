"""What can go wrong with a report of a mistake. Class -> stable code; docstring = English title."""

from core.errors import Conflict, NotFound, TooMany


class CorrectionNotFound(NotFound):
    """There is no such report, or you may not see it."""

    code = "correction-not-found"
    title_zh = "没有这条纠错"


class CorrectionHandled(Conflict):
    """This report has been answered already."""

    code = "correction-handled"
    title_zh = "这条纠错已经处理过"


class TooManyCorrections(TooMany):
    """You have reported enough about this site today."""

    code = "too-many-corrections"
    title_zh = "今天对这个服务点的纠错已经够多"
