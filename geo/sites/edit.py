"""Staff write sites: a draft, an edit of one version, a return to an earlier one.

An edit is what is said of the site now with the changes in it, validated as one from an import is. Those who run a
site change what runs it from day to day; what says which site it is belongs to those who publish.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import shapely
from geoalchemy2.shape import from_shape
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit import record
from core.database import driver_connection
from core.ids import new_id
from core.permissions import Place, covers, require, require_at, scopes
from geo.errors import FieldsNotAllowed, SiteInvalid
from geo.models import Organisation, Site, Source
from geo.sites.children import make_children, write_children
from geo.sites.held import Held, changing, hold_site, set_columns, state_of
from geo.sites.input import OperatorIn, SiteIn
from geo.sites.operators import put_operators
from geo.sites.places import NEW_PLACE, SMALLEST_AREA
from geo.sites.revisions import CONTENT, differences, get_revision, read_snapshot, record_revisions
from geo.sites.store import check_categories

STAFF_SOURCE = "staff"
STAFF_SOURCE_NAME = "工作人员录入"

# Of a published site, those who run it change these; all else needs site.publish. zh as the refusal names them.
OPERATIONAL = {
    "hours", "makeup_hours", "exceptions", "phones", "alert", "status", "features", "accessibility", "services",
    "description", "languages", "url",
}  # fmt: skip
LABELS = {
    "category": "类别",
    "name": "名称",
    "name_en": "英文名",
    "aliases": "别名",
    "geometry": "位置",
    "address": "地址",
    "status": "停办状态",
    "zone": "时区",
    "batch": "批次",
    "plaque_number": "牌号",
    "funding": "资金来源",
    "operator": "运营主体",
    "external_ids": "外部编号",
}
# Fields that are columns of the same name.
COLUMNS = (
    "name", "name_en", "aliases", "address", "description", "url", "status", "alert", "hours", "makeup_hours", "zone",
    "features", "accessibility", "languages", "batch", "plaque_number", "funding",
)  # fmt: skip

REFILE = text(
    f"update site s set area_id = ({SMALLEST_AREA.format(geom='s.geom', now='cast(:now as timestamptz)', zone='s.zone')})"
    " where s.id = :site_id"
)


async def create_site(
    session: AsyncSession, actor: Actor, *, content: Mapping[str, Any], now: datetime
) -> UUID:
    """A draft; its id. ``content``: fields of SiteIn, ``geometry`` as GeoJSON in WGS84.

    Raises SiteInvalid, UnknownCategory, NotSignedIn, NotAllowed, FieldsNotAllowed.
    """
    require(actor, "site.create")
    site_id = new_id()
    site = _site_in(str(site_id), content)
    await check_categories(session, {site.category})
    require_at(actor, "site.create", await _future_place(session, site, now))
    await session.execute(
        insert(Source).values(code=STAFF_SOURCE, name=STAFF_SOURCE_NAME).on_conflict_do_nothing()
    )
    columns = await _columns(session, actor, site, CONTENT)
    session.add(
        Site(
            id=site_id,
            source_code=STAFF_SOURCE,
            external_id=site.external_id,
            created_at=now,
            updated_at=now,
            version=1,
            **columns,
        )
    )
    await session.flush()
    await session.execute(REFILE, {"site_id": site_id, "now": now})
    await write_children(
        await driver_connection(session), make_children([(site_id, site, ())]), [(site_id, ())]
    )
    await record_revisions(session, actor, site_ids=[site_id], act="created", reason=None, now=now)
    await record(
        session,
        actor,
        action="site.create",
        object_kind="site",
        object_id=site_id,
        detail={"version": 1},
        now=now,
    )
    return site_id


async def edit_site(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    version: int | None,
    changes: Mapping[str, Any],
    reason: str | None = None,
    act: str = "edited",
    handed_back: Collection[str] = (),
    now: datetime,
) -> int:
    """Write ``changes`` (fields of SiteIn as JSON has them, ``geometry`` as GeoJSON in WGS84); the version it has then.

    What is already so changes nothing. ``handed_back``: fields that are no longer staff's, so that imports write them
    again. Raises SiteNotFound, NotSignedIn, NotAllowed, FieldsNotAllowed, SiteChanged,
    SiteInvalid, UnknownCategory.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.edit", version=version)
    before = await read_snapshot(session, site_id=site_id)
    content = {name: before[name] for name in CONTENT}
    if unknown := sorted(set(changes) - set(CONTENT)):
        raise SiteInvalid(
            f"没有这样的内容：{'、'.join(unknown)}。", f"A site has no {', '.join(unknown)}.", unknown=unknown
        )
    site = _site_in(held.site.external_id, {**content, **changes})
    fields = list(differences(content, _content_of(site)))
    if not fields:
        return held.site.version
    _check_fields(actor, held, fields, site)
    if "category" in fields:
        await check_categories(session, {site.category})
    if "geometry" in fields or "category" in fields:
        require_at(actor, "site.edit", await _future_place(session, site, now, site_id=site_id))
    kept = [name for name in CONTENT if name not in fields]
    async with changing(
        session, actor, held, action="site.edit", act=act, reason=reason, fields=fields, now=now
    ) as new_version:
        columns = await _columns(session, actor, site, fields)
        columns["staff_fields"] = sorted({*held.site.staff_fields, *fields} - set(handed_back))
        await set_columns(session, site_id, columns)
        if "geometry" in fields:
            await session.execute(REFILE, {"site_id": site_id, "now": now})
        children = make_children([(site_id, site, kept)])
        await write_children(await driver_connection(session), children, [(site_id, kept)])
    return new_version


async def revert_site(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    version: int,
    to_version: int,
    reason: str | None = None,
    now: datetime,
) -> int:
    """Say again what an earlier version said; what became of the site (published, closed) stays. The new version.

    What staff wrote since then is the source's again; what an import wrote since then is now as staff want it. Raises VersionNotFound and what ``edit_site`` raises.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.edit", version=version)
    revision = await get_revision(session, site_id=site_id, version=to_version)
    said = {name: revision.snapshot[name] for name in CONTENT if name in revision.snapshot}
    why = f"→ v{to_version}" + (f"：{reason}" if reason else "")
    return await edit_site(
        session,
        actor,
        site_id=site_id,
        version=version,
        changes=said,
        reason=why,
        act="reverted",
        handed_back=set(held.site.staff_fields) - set(revision.snapshot["staff_fields"]),
        now=now,
    )


def _check_fields(actor: Actor, held: Held, fields: Sequence[str], site: SiteIn) -> None:
    """Raises FieldsNotAllowed, naming them."""
    if state_of(held.site) != "published" or covers(actor, "site.publish", held.place):
        return
    refused = [name for name in fields if name not in OPERATIONAL]
    if "status" in fields and "inactive" in (site.status, held.site.status):
        refused.append("status")
    if refused:
        named = "、".join(LABELS.get(name, name) for name in refused)
        raise FieldsNotAllowed(
            f"{named}须由区级管理员修改；营业时间、电话、提示、服务等可以直接改。",
            f"{', '.join(refused)}: changed by the district only; hours, phones, alert and services are yours.",
            fields=refused,
        )


def _site_in(external_id: str, content: Mapping[str, Any]) -> SiteIn:
    """Raises SiteInvalid, naming the field of each mistake."""
    said = {name: value for name, value in content.items() if name != "geometry"}
    try:
        geometry = shapely.from_geojson(orjson.dumps(content.get("geometry")))
        return SiteIn.model_validate({**said, "geometry": geometry, "external_id": external_id})
    except ValidationError as error:
        errors = [
            {
                "field": "/".join(map(str, one["loc"])),
                "reason": str(one["msg"]).removeprefix("Value error, "),
            }
            for one in error.errors(include_url=False)
        ]
    except (shapely.errors.GEOSException, TypeError, orjson.JSONEncodeError):
        errors = [{"field": "geometry", "reason": "不是有效的 GeoJSON 几何 / not a GeoJSON geometry"}]
    # Reasons of ours are "zh / en".
    zh, en = (
        "; ".join(f"{one['field']}: {one['reason'].split(' / ')[side]}" for one in errors[:5])
        for side in (0, -1)
    )
    raise SiteInvalid(zh, en, errors=errors)


def _content_of(site: SiteIn) -> dict[str, Any]:
    """In the shape of a snapshot."""
    said: dict[str, Any] = site.model_dump(mode="json", exclude={"geometry", "external_id", "assured_at"})
    said["geometry"] = orjson.loads(shapely.to_geojson(site.geometry))
    said["exceptions"].sort(key=lambda one: one["on_date"])
    return said


async def _columns(
    session: AsyncSession, actor: Actor, site: SiteIn, fields: Sequence[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        if name in fields:
            value = getattr(site, name)
            values[name] = list(value) if isinstance(value, tuple) else value
    if "category" in fields:
        values["category_code"] = site.category
    if "geometry" in fields:
        values["geom"] = from_shape(site.geometry, srid=4326)
    if "operator" in fields:
        values["organisation_id"] = await _operator(session, actor, site.operator) if site.operator else None
    return values


async def _operator(session: AsyncSession, actor: Actor, operator: OperatorIn) -> UUID:
    """Raises FieldsNotAllowed: an operator is one record, and changing it changes every site it runs."""
    known = await session.scalar(
        select(Organisation).where(
            Organisation.source_code == STAFF_SOURCE, Organisation.name == operator.name
        )
    )
    if known is not None:
        said, is_so = (operator.name_en, operator.operating_model), (known.name_en, known.operating_model)
        if said == is_so:
            return known.id
        if scopes(actor, "site.publish") is not None:
            raise FieldsNotAllowed(
                "这个运营主体已有登记，其英文名和运营模式须由区级管理员修改；请按已有登记填写。",
                "This operator is known; its English name and operating model are changed by the district. Send them as"
                " they are.",
                fields=["operator"],
                known={"name_en": known.name_en, "operating_model": known.operating_model},
            )
    await session.execute(
        insert(Source).values(code=STAFF_SOURCE, name=STAFF_SOURCE_NAME).on_conflict_do_nothing()
    )
    return (await put_operators(await driver_connection(session), STAFF_SOURCE, [operator]))[operator.name]


async def _future_place(
    session: AsyncSession, site: SiteIn, now: datetime, *, site_id: UUID | None = None
) -> Place:
    """Where the site will be."""
    said = {"wkb": shapely.to_wkb(site.geometry), "category": site.category, "zone": site.zone, "now": now}
    areas, categories = (await session.execute(NEW_PLACE, said)).one()
    return Place(str(site_id) if site_id else None, tuple(areas), tuple(categories))
