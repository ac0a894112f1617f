"""What can go wrong when asking where things are. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Invalid, NotFound


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
