"""Tables of the locator. Import models from here; the modules below are about one group of tables each."""

from geo.models.area import Area, AreaCode
from geo.models.calendar import CalendarDay, CalendarYear, SchoolTerm
from geo.models.category import Category
from geo.models.district import DistrictSchool, SchoolDistrict, SchoolGroup, SchoolGroupMember
from geo.models.offer import CostOption, RequiredDocument, Service
from geo.models.organisation import Organisation
from geo.models.search import SearchWord, SiteSearch
from geo.models.site import HoursException, Phone, Site, SiteChange, SiteExternalId
from geo.models.source import ImportRun, Source

__all__ = [
    "Area",
    "AreaCode",
    "CalendarDay",
    "CalendarYear",
    "Category",
    "CostOption",
    "DistrictSchool",
    "HoursException",
    "ImportRun",
    "Organisation",
    "Phone",
    "RequiredDocument",
    "SchoolDistrict",
    "SchoolGroup",
    "SchoolGroupMember",
    "SchoolTerm",
    "SearchWord",
    "Service",
    "Site",
    "SiteChange",
    "SiteExternalId",
    "SiteSearch",
    "Source",
]
