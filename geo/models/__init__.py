"""Tables of the locator. Import models from here; the modules below are about one group of tables each."""

from geo.models.area import Area, AreaCode
from geo.models.calendar import CalendarDay, CalendarYear, SchoolTerm
from geo.models.category import Category
from geo.models.correction import Correction
from geo.models.district import DistrictSchool, SchoolDistrict, SchoolGroup, SchoolGroupMember
from geo.models.import_job import (
    ImportChunk,
    ImportedSite,
    ImportJob,
    ImportPage,
    ImportProgress,
    SavedMapping,
)
from geo.models.offer import CostOption, RequiredDocument, Service
from geo.models.organisation import Organisation
from geo.models.search import SearchWord, SiteSearch
from geo.models.site import HoursException, Phone, Site, SiteChange, SiteExternalId
from geo.models.source import ImportRun, Source
from geo.models.workflow import SiteClosure, SiteRevision

__all__ = [
    "Area",
    "AreaCode",
    "CalendarDay",
    "CalendarYear",
    "Category",
    "Correction",
    "CostOption",
    "DistrictSchool",
    "HoursException",
    "ImportChunk",
    "ImportJob",
    "ImportPage",
    "ImportProgress",
    "ImportRun",
    "ImportedSite",
    "Organisation",
    "Phone",
    "RequiredDocument",
    "SavedMapping",
    "SchoolDistrict",
    "SchoolGroup",
    "SchoolGroupMember",
    "SchoolTerm",
    "SearchWord",
    "Service",
    "Site",
    "SiteChange",
    "SiteClosure",
    "SiteExternalId",
    "SiteRevision",
    "SiteSearch",
    "Source",
]
