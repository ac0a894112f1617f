"""What can go wrong when asking where things are. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Invalid, NotFound, Outdated


class SiteNotFound(NotFound):
    """There is no such site."""

    code = "site-not-found"
    title_zh = "没有这个服务点"


class UnknownCategory(Invalid):
    """There is no such category."""

    code = "unknown-category"
    title_zh = "没有这个类别"


class WordsTooCommon(Invalid):
    """Too many sites have these words."""

    code = "words-too-common"
    title_zh = "符合的服务点太多"


class UnknownArea(NotFound):
    """There is no such area."""

    code = "area-not-found"
    title_zh = "没有这个区域"


class InvalidCoordinates(Invalid):
    """These coordinates cannot be a place."""

    code = "invalid-coordinates"
    title_zh = "坐标无效"


class CoordinatesSwapped(Invalid):
    """Longitude and latitude seem to be swapped."""

    code = "coordinates-swapped"
    title_zh = "经度和纬度似乎颠倒了"


class CrsMissing(Invalid):
    """A place needs its coordinate system."""

    code = "crs-missing"
    title_zh = "缺少坐标系"


class CrsDisabled(Invalid):
    """This coordinate system is switched off on this server."""

    code = "crs-disabled"
    title_zh = "本服务器未启用该坐标系"


class DistrictOverlap(Conflict):
    """This school district overlaps another of the same stage on the same day."""

    code = "school-district-overlap"
    title_zh = "招生片区与同学段的另一片区重叠"


class ImportRefused(Invalid):
    """This file cannot be imported as it is."""

    code = "import-refused"
    title_zh = "文件暂时无法导入"


class SiteChanged(Outdated):
    """Somebody else changed this site meanwhile."""

    code = "site-changed"
    title_zh = "这个服务点刚被别人修改过"


class SiteInvalid(Invalid):
    """This cannot be said of a site."""

    code = "site-invalid"
    title_zh = "服务点的内容有误"


class FieldsNotAllowed(Forbidden):
    """Some of these fields are changed by the district only."""

    code = "fields-not-allowed"
    title_zh = "部分内容须由区级管理员修改"


class WrongSiteState(Conflict):
    """The site's state does not allow this."""

    code = "wrong-site-state"
    title_zh = "服务点当前状态下不能这样操作"


class VersionNotFound(NotFound):
    """There is no such version of this site."""

    code = "site-version-not-found"
    title_zh = "没有这个版本"


class ClosureNotFound(NotFound):
    """There is no such closure."""

    code = "closure-not-found"
    title_zh = "没有这条停业安排"


class InvalidClosure(Invalid):
    """These times cannot be a closure."""

    code = "invalid-closure"
    title_zh = "停业时间有误"


class ClosureOver(Conflict):
    """This closure is already over."""

    code = "closure-over"
    title_zh = "这条停业安排已经结束"


class ClosedForGood(Conflict):
    """The site is closed for good."""

    code = "closed-for-good"
    title_zh = "服务点已永久停办"
