"""Every site of the demo city, and the few that are out of the ordinary."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from geo.sites.input import ExceptionIn, SiteIn
from seed.sites import culture, education, elder, health, service, sport, work

# By category and place in its list: what a client must cope with beyond regular weeks.
SPECIAL: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("meal_point", 3): {
        "status": "temporarily_closed",
        "alert": "厨房改造，预计 2027 年 1 月恢复供餐，请到邻近助餐点就餐。",
    },
    ("fitness_point", 29): {"status": "inactive", "alert": "器材已拆除，另址新建。"},
    ("gig_station", 13): {"status": "inactive", "alert": "已并入兰州新区零工市场。"},
    ("service_hall", 0): {
        "exceptions": (
            ExceptionIn(on_date=date(2026, 12, 5), hours="off", reason="信息系统升级，暂停办理"),
            ExceptionIn(on_date=date(2026, 12, 31), hours="09:00-12:00", reason="年终结算，下午不办理业务"),
        )
    },
    ("reading_room", 0): {
        "exceptions": (ExceptionIn(on_date=date(2027, 1, 1), hours="10:00-16:00", reason="元旦缩短开放时间"),)
    },
    ("community_health_centre", 1): {
        "exceptions": (ExceptionIn(on_date=date(2026, 12, 24), hours="08:00-12:00", reason="下午全员培训"),)
    },
    ("theatre", 0): {
        "exceptions": (
            ExceptionIn(on_date=date(2026, 12, 28), hours="19:00-22:00", reason="新年戏曲晚会加演"),
            ExceptionIn(on_date=date(2026, 12, 30), hours="off", reason="舞台检修"),
        ),
        "alert": "12 月 28 日晚加演新年戏曲晚会。",
    },
    ("sports_centre", 0): {
        "exceptions": (ExceptionIn(on_date=date(2026, 12, 12), hours="off", reason="承办青少年篮球赛"),)
    },
}


@cache
def demo_sites() -> tuple[SiteIn, ...]:
    """About 400 sites in all leaf categories, the same at every call."""
    counted: dict[str, int] = {}
    sites = []
    for module in (elder, health, education, sport, culture, work, service):
        for site in module.sites():
            number = counted.get(site.category, 0)
            counted[site.category] = number + 1
            special = SPECIAL.get((site.category, number))
            sites.append(site if special is None else site.model_copy(update=dict(special)))
    return tuple(sites)
