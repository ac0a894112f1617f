"""GET /v1/sites and /v1/sites/{id}: lists in JSON and GeoJSON, pages that edits do not shake, the whole site."""

import threading

import httpx
import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from api.schemas.locator import SiteOut, SitePage
from geo.crs import Crs, from_wgs84
from tests.api.conform import conforms
from tests.api.running import serving

GEOJSON = "application/geo+json"


def ask(api, **parameters):
    answer = api.get("/v1/sites", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids_of(page):
    return [one["id"] for one in page.get("items", page.get("features"))]


def test_the_list_is_exactly_what_the_schema_says_in_the_order_of_ids(api, sql):
    page = conforms(SitePage, ask(api, limit=200))
    wanted = sql.execute("select id::text from site order by id limit 200").fetchall()
    assert [str(item.id) for item in page.items] == [site_id for (site_id,) in wanted]
    assert page.next is not None


def test_geojson_has_the_same_sites_and_whole_geometries(api):
    plain = ask(api, limit=100, category="fitness_path")
    answer = api.get(
        "/v1/sites", params={"limit": 100, "category": "fitness_path"}, headers={"Accept": GEOJSON}
    )
    assert answer.headers["content-type"] == GEOJSON
    assert "Accept" in answer.headers["vary"]
    collection = answer.json()
    assert collection["type"] == "FeatureCollection"
    assert ids_of(collection) == ids_of(plain)
    assert {feature["geometry"]["type"] for feature in collection["features"]} == {"LineString"}
    assert collection["features"][0]["properties"]["name"] == plain["items"][0]["name"]


def test_gdal_reads_the_geojson(api, sql, tmp_path):
    body = api.get("/v1/sites", params={"limit": 200}, headers={"Accept": GEOJSON}).content
    file = tmp_path / "sites.geojson"
    file.write_bytes(body)
    meta, _, wkb, fields = pyogrio.raw.read(file)
    assert meta["crs"] == "EPSG:4326"
    read = dict(zip(fields[list(meta["fields"]).index("id")], shapely.from_wkb(wkb), strict=True))
    assert len(read) == 200
    stored = sql.execute("select id::text, st_asbinary(geom) from site order by id limit 200").fetchall()
    for site_id, geometry in stored:
        # Seven decimals of a degree are a centimetre.
        assert shapely.hausdorff_distance(read[site_id], shapely.from_wkb(geometry)) < 1e-7


@pytest.mark.parametrize("crs", list(Crs))
def test_a_box_is_read_and_answered_in_its_own_coordinate_system(api, crs):
    west, south = from_wgs84(crs, 103.60, 36.47)
    east, north = from_wgs84(crs, 103.64, 36.50)
    page = ask(api, bbox=f"{west:.7f},{south:.7f},{east:.7f},{north:.7f}", crs=crs.value, limit=200)
    assert page["crs"] == crs
    wanted = ids_of(ask(api, bbox="103.60,36.47,103.64,36.50", crs="wgs84", limit=200))
    assert len(set(wanted) ^ set(ids_of(page))) <= len(wanted) // 50  # the shifted box is not quite a box
    place = page["items"][0]["location"]
    inside = [west - 0.01, south - 0.01], [place["lon"], place["lat"]], [east + 0.01, north + 0.01]
    assert np.all(np.diff(np.array(inside), axis=0) > 0)


def test_a_box_without_a_coordinate_system_is_refused(api):
    answer = api.get("/v1/sites", params={"bbox": "103.6,36.4,103.7,36.5"})
    assert (answer.status_code, answer.json()["code"]) == (422, "crs-missing")


def test_an_area_is_known_by_either_code_and_by_id(api, sql):
    by_nbs = ids_of(ask(api, area="620171101", limit=200))
    by_mca = ids_of(ask(api, area="620122108", limit=200))
    ((area_id,),) = sql.execute("select id::text from area where name = '中川镇'").fetchall()
    assert by_nbs == by_mca == ids_of(ask(api, area=area_id, limit=200)) != []
    wanted = sql.execute(
        "select s.id::text from site s join area a on a.name = '中川镇' and st_intersects(s.geom, a.geom)"
        " order by s.id limit 200"
    ).fetchall()
    assert by_nbs == [site_id for (site_id,) in wanted]
    answer = api.get("/v1/sites", params={"area": "999999"})
    assert (answer.status_code, answer.json()["code"]) == (404, "area-not-found")


def test_status_and_time_of_change_filter(api):
    assert len(ask(api, status="inactive")["items"]) == 2
    assert len(ask(api, status=["inactive", "temporarily_closed"])["items"]) == 3
    assert ask(api, modified_after="2026-11-24T10:00:00+08:00")["items"] == []
    assert ask(api, modified_after="2026-11-24T09:59:59+08:00")["items"] != []


@pytest.mark.parametrize("accept", ["application/json", GEOJSON])
def test_no_site_is_lost_or_doubled_while_others_are_edited(tmp_path, own_city_url, redis_url, accept):
    """Between any two pages another connection edits, moves, deletes and inserts sites."""
    with (
        serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url) as one,
        psycopg.connect(own_city_url, autocommit=True) as editor,
        httpx.Client(base_url=one.url, headers={"Accept": accept}, trust_env=False) as api,
    ):
        before = [site_id for (site_id,) in editor.execute("select id::text from site order by id")]
        used = "select site_id::text from district_school union select site_id::text from offering"
        in_use = {site_id for (site_id,) in editor.execute(used)}
        doomed = [site_id for site_id in before[5::40] if site_id not in in_use]
        kept = set(before) - set(doomed)
        done, edits = threading.Event(), []

        def edit():
            while not done.is_set():
                edits.append(
                    editor.execute(
                        "update site set version = version + 1, updated_at = clock_timestamp(),"
                        " name = left(name, 20) || '改', geom = st_translate(geom, 0.0001, 0)"
                        " where id in (select id from site order by random() limit 40)"
                    ).rowcount
                )
                editor.execute(
                    "insert into site (id, source_code, external_id, category_code, name, geom,"
                    " published_at, created_at, updated_at)"
                    " select gen_random_uuid(), source_code, gen_random_uuid(), category_code, name, geom,"
                    " now(), now(), now() from site limit 1"
                )
                if doomed:
                    editor.execute("delete from site where id = %s", (doomed.pop(),))

        thread = threading.Thread(target=edit)
        thread.start()
        try:
            seen, page = [], ask(api, limit=7)
            while page["next"] is not None:
                seen += ids_of(page)
                page = ask(api, limit=7, next=page["next"])
            seen += ids_of(page)
        finally:
            done.set()
            thread.join()
    assert len(seen) == len(set(seen))
    assert kept <= set(seen)
    assert sum(edits) >= 80
    assert len(doomed) < len(before[5::40])


def test_the_whole_site_is_what_was_entered(api, sql):
    ((site_id,),) = sql.execute("select id::text from site where name = '彩虹城社区老年助餐点'").fetchall()
    body = api.get(f"/v1/sites/{site_id}").json()
    site = conforms(SiteOut, body)
    assert site.category_labels.label_zh == "老年助餐点"
    assert site.operator is not None
    assert site.operator.operating_model == "market_canteen"
    assert body["geometry"] == {"type": "Point", "coordinates": [103.631641, 36.489711]}
    assert site.hours.weekly == "Mo-Fr 11:00-13:00,17:00-18:30; PH off"
    assert len(site.hours.days) == 7
    assert (site.batch, site.plaque_number) == ("第一批", "兰新助餐演示2025-001")
    assert site.funding == ["财政补助", "个人付费"]
    lunch = site.services[0]
    assert (lunch.name, lunch.minimum_age) == ("午餐", 60)
    assert [fee.label for fee in lunch.fees] == ["60—79 周岁", "80 周岁以上", "特困、低保老年人"]
    assert [document.name for document in lunch.documents][:2] == ["身份证", "社会保障卡"]
    assert [phone.number[:9] for phone in site.phones] == ["0931-555-"]
    assert site.assured_at is not None
    assert "synthetic demo" in site.source.name


@pytest.mark.parametrize("crs", list(Crs))
def test_a_site_is_shown_in_each_coordinate_system(api, sql, crs):
    ((site_id, wkb),) = sql.execute(
        "select id::text, st_asbinary(geom) from site where name = '西槽健身步道'"
    ).fetchall()
    body = api.get(f"/v1/sites/{site_id}", params={"crs": crs.value}).json()
    assert body["crs"] == crs
    lon, lat = shapely.from_wkb(wkb).coords[0]
    assert body["geometry"]["coordinates"][0] == pytest.approx(from_wgs84(crs, lon, lat), abs=2e-7)


@pytest.mark.parametrize("part", ["", "/guide", "/qr.svg"])
def test_a_site_that_is_not_there_is_a_404_that_says_so(api, part):
    answer = api.get(f"/v1/sites/01a20000-0000-7000-8000-000000000000{part}")
    assert (answer.status_code, answer.json()["code"]) == (404, "site-not-found")


def test_a_site_closed_for_good_says_so(api):
    closed = ask(api, status="inactive", limit=5)["items"]
    assert closed
    assert {item["open"]["reason"] for item in closed} == {"inactive"}


@pytest.mark.parametrize("box", ["103.61500000000001,36.4,103.8,36.6", "103.5, 36.4, 103.8, 36.6"])
def test_a_box_is_taken_as_clients_write_it(api, box):
    assert ask(api, bbox=box, crs="wgs84")["items"]


@pytest.mark.parametrize(
    ("box", "said"),
    [("103.5,36.4,103.8", "西,南,东,北"), ("36.4,103.5,36.6,103.8", "颠倒"), ("a,b,c,d", "西,南,东,北")],
)
def test_a_box_that_is_none_is_refused_with_what_to_write(api, box, said):
    answer = api.get("/v1/sites", params={"bbox": box, "crs": "wgs84"})
    assert answer.status_code == 422
    assert said in answer.json()["errors"][0]["reason"]
