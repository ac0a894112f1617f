"""What can go wrong with offerings, slots and reservations. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Invalid, NotFound

# Offerings and slots


class OfferingNotFound(NotFound):
    """There is no such offering."""

    code = "offering-not-found"
    title_zh = "没有这个预约项目"


class SlotNotFound(NotFound):
    """There is no such slot."""

    code = "slot-not-found"
    title_zh = "没有这个时段"


class InvalidRules(Invalid):
    """The rules of this offering cannot be read."""

    code = "invalid-rules"
    title_zh = "预约规则有误"


# Booking


class ReservationNotFound(NotFound):
    """There is no such reservation."""

    code = "reservation-not-found"
    title_zh = "没有这个预约"


class SlotFull(Conflict):
    """There is no place left."""

    code = "slot-full"
    title_zh = "名额已满"


class SlotClosed(Conflict):
    """This slot is closed."""

    code = "slot-closed"
    title_zh = "该时段已停止服务"


class NotYetOpen(Conflict):
    """Booking has not opened yet."""

    code = "not-yet-open"
    title_zh = "还没到开放预约的时间"


class BookingClosed(Conflict):
    """Booking has closed."""

    code = "booking-closed"
    title_zh = "预约已截止"


class NotBookable(Conflict):
    """This cannot be booked here."""

    code = "not-bookable"
    title_zh = "此项目不能在这里预约"


class NotEligible(Forbidden):
    """This offering is for other people."""

    code = "not-eligible"
    title_zh = "不符合预约条件"


class AssuranceNeeded(Forbidden):
    """Please confirm who you are first."""

    code = "assurance-needed"
    title_zh = "请先完成实名认证"


class LimitReached(Conflict):
    """The person has booked as often as is allowed."""

    code = "limit-reached"
    title_zh = "已达预约次数上限"


class PersonBusy(Conflict):
    """The person is somewhere else at that time."""

    code = "person-busy"
    title_zh = "该时间已有其他预约"


class Blocked(Conflict):
    """Booking is paused after places were left empty."""

    code = "blocked"
    title_zh = "因多次爽约暂停预约"


class InvalidWish(Invalid):
    """This cannot be booked like that."""

    code = "invalid-wish"
    title_zh = "预约内容有误"


class SeatTaken(Conflict):
    """A seat has just been taken."""

    code = "seat-taken"
    title_zh = "座位已被选走"


class ResourceTaken(Conflict):
    """It is taken at that time."""

    code = "resource-taken"
    title_zh = "该时间已被预约"


# A reservation's life


class WrongState(Conflict):
    """The reservation's state does not allow it."""

    code = "wrong-state"
    title_zh = "预约当前状态不允许此操作"


class HoldExpired(Conflict):
    """The place was held for a while, and that is over."""

    code = "hold-expired"
    title_zh = "保留时间已过"


class TooLate(Conflict):
    """It is too late for that."""

    code = "too-late"
    title_zh = "已超过可操作时间"


# Waiting lists


class WaitlistEntryNotFound(NotFound):
    """There is no such entry on the waiting list."""

    code = "waitlist-entry-not-found"
    title_zh = "没有这个候补"


class PlacesLeft(Conflict):
    """There are places left; book instead."""

    code = "places-left"
    title_zh = "还有名额，请直接预约"


class NotWaitable(Conflict):
    """There is no waiting list here."""

    code = "not-waitable"
    title_zh = "这里不设候补"


class AlreadyWaiting(Conflict):
    """The person waits for this already."""

    code = "already-waiting"
    title_zh = "已在候补中"


class WrongEntryState(Conflict):
    """The entry's state does not allow it."""

    code = "wrong-entry-state"
    title_zh = "候补当前状态不允许此操作"


# Places left empty


class MarkNotFound(NotFound):
    """There is no such record of a place left empty."""

    code = "mark-not-found"
    title_zh = "没有这条爽约记录"


class AppealMade(Conflict):
    """An appeal was made already."""

    code = "appeal-made"
    title_zh = "已提交过申诉"


class AppealDecided(Conflict):
    """The appeal was decided already."""

    code = "appeal-decided"
    title_zh = "申诉已处理"


# Standing bookings


class StandingNotFound(NotFound):
    """There is no such standing booking."""

    code = "standing-not-found"
    title_zh = "没有这个长期预约"


class StandingExists(Conflict):
    """The person has a standing booking for that already."""

    code = "standing-exists"
    title_zh = "已有同样的长期预约"


class InvalidStanding(Invalid):
    """A standing booking like this is not possible."""

    code = "invalid-standing"
    title_zh = "长期预约内容有误"


# At the desk


class InvalidTicket(Invalid):
    """This is not a code of ours."""

    code = "invalid-ticket"
    title_zh = "这不是有效的预约码"


class InvalidTime(Invalid):
    """This time cannot be right."""

    code = "invalid-time"
    title_zh = "时间有误"


class InvalidDeviceKey(Invalid):
    """The device's key cannot be used."""

    code = "invalid-device-key"
    title_zh = "设备公钥有误"


class WrongDesk(Conflict):
    """This reservation is for another place."""

    code = "wrong-desk"
    title_zh = "这个预约不在本服务点"


class WrongDay(Conflict):
    """This reservation is for another day."""

    code = "wrong-day"
    title_zh = "这个预约不是今天的"


class OutsideCheckIn(Conflict):
    """It is too early or too late for check-in."""

    code = "outside-check-in"
    title_zh = "不在签到时间内"


class SlotNeeded(Conflict):
    """Say which one they come for."""

    code = "slot-needed"
    title_zh = "请选择项目和时段"


class CheckedInElsewhere(Conflict):
    """They were checked in already by somebody else."""

    code = "checked-in-elsewhere"
    title_zh = "已在其他窗口签到"
