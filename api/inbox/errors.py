"""What can go wrong with tasks and calendars. Class -> stable code; docstring = English title."""

from core.errors import Conflict, NotFound


class OutreachNotFound(NotFound):
    """There is no such task."""

    code = "outreach-not-found"
    title_zh = "没有这项告知任务"


class OutreachDone(Conflict):
    """Somebody has done this already."""

    code = "outreach-done"
    title_zh = "这项告知任务已完成"


class CalendarNotFound(NotFound):
    """There is no calendar at this address."""

    code = "calendar-not-found"
    title_zh = "没有这个日历"
