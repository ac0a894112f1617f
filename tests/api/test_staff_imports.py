"""Files imported over HTTP, by a real server and a real worker."""

import csv
import io
import os
import signal
import socket
import uuid
import zipfile
from contextlib import closing

import httpx
import psycopg
import pytest
import xlsxwriter
import yaml

from core.actor import Grant
from tests.api.people import sign_in, who
from tests.api.running import exchange, running, serving, wait_until
from tests.api.test_problems import assert_problem
from tests.conftest import create_database, drop_database, url_of
from tests.geo.imports.files import mapping_of

IMPORTS = "/v1/staff/imports"
HEADER = "编号,名称,经度,纬度"
ROWS = ("1,中川镇老年助餐点,103.57,36.51", "2,秦川镇老年助餐点,103.48,36.62")
WHOLE_DISTRICT = Grant("district_admin", "district")
# Everything of a site that an import may touch; versions and the moment of the last change go on.
CONTENT = """
select 'site', (to_jsonb(s) - 'version' - 'updated_at' - 'geom')::text || st_asewkt(s.geom) from site s
union all select 'phone', to_jsonb(c)::text from phone c
union all select 'exception', to_jsonb(c)::text from hours_exception c
union all select 'number', to_jsonb(c)::text from site_external_id c
union all select 'search', to_jsonb(c)::text from site_search c
union all select 'service', to_jsonb(c)::text from service c
union all select 'cost', to_jsonb(c)::text from cost_option c
union all select 'paper', to_jsonb(c)::text from required_document c
union all select 'organisation', to_jsonb(c)::text from organisation c
union all select 'mapping', mapping from saved_mapping
union all select 'source', name from source order by 1, 2
"""


def table(*rows, header=HEADER):
    """A CSV as bytes."""
    return "\n".join((header, *rows, "")).encode()


def mapping(source, **changes):
    """A mapping for ``table`` as YAML."""
    said = mapping_of(source={"code": source, "name": "测试"}, **changes)
    return yaml.safe_dump(said, allow_unicode=True)


class Clerk:
    """A person at the district's desk who imports files."""

    def __init__(self, url, database_url, *grants):
        self.database_url = database_url
        self.headers = sign_in(database_url, *(grants or (WHOLE_DISTRICT,)))
        self.http = httpx.Client(base_url=url, headers=self.headers, trust_env=False, timeout=30)

    def close(self):
        self.http.close()

    def upload(self, data, *, name="a.csv", **parameters):
        return self.http.post(IMPORTS, params={"filename": name, **parameters}, content=data)

    def job(self, job_id):
        answer = self.http.get(f"{IMPORTS}/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def done(self, job_id):
        """The job once the worker is through with it."""
        return wait_until(
            lambda: (job := self.job(job_id))["progress"] is None and job, f"the worker with {job_id}"
        )

    def checked(self, data, **parameters):
        """The job of an upload that was checked."""
        answer = self.upload(data, **parameters)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"{IMPORTS}/{answer.json()['id']}"
        return self.done(answer.json()["id"])

    def report(self, job_id, **parameters):
        answer = self.http.get(f"{IMPORTS}/{job_id}/report", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def apply(self, job_id, **said):
        return self.http.post(
            f"{IMPORTS}/{job_id}/apply", json=said, headers={"Idempotency-Key": str(uuid.uuid4())}
        )

    def applied(self, data, **parameters):
        """The job of an upload that was imported."""
        job = self.checked(data, **parameters)
        assert self.apply(job["id"]).status_code == 202
        job = self.done(job["id"])
        assert job["state"] == "applied", job
        return job

    def undo(self, job_id, reason="传错了文件"):
        return self.http.post(f"{IMPORTS}/{job_id}/undo", json={"reason": reason})

    def sql(self, query, *parameters):
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def office_url(server_url, template):
    name = create_database(server_url, template)
    yield url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture(scope="module")
def office(office_url, redis_url, tmp_path_factory):
    """A server and a worker, on a database of their own."""
    logs = tmp_path_factory.mktemp("office")
    settings = {"database_url": office_url, "redis_url": redis_url}
    with serving(logs / "server", **settings) as one, running(logs / "worker", "worker", **settings) as two:
        wait_until(lambda: two.said("worker started"), "the worker")
        yield one
        for process in (one, two):
            assert [line for line in process.log() if line["level"] == "ERROR"] == []


@pytest.fixture
def clerk(office, office_url):
    with closing(Clerk(office.url, office_url)) as one:
        yield one


@pytest.fixture
def source():
    """A source of this test's own."""
    return f"test-{uuid.uuid4().hex[:12]}"


def names(clerk, source):
    return [
        row[0]
        for row in clerk.sql("select name from site where source_code = %s order by external_id", source)
    ]


def test_a_file_is_checked_reported_and_only_then_imported(clerk, source):
    data = table(*ROWS, "3,,103.5,36.5")
    job = clerk.checked(data, map=mapping(source))
    assert (job["state"], job["source"], job["mapping"]) == ("checked", source, "given")
    assert (job["counts"]["read"], job["counts"]["new"], job["counts"]["rejected"]) == (3, 2, 1)
    assert names(clerk, source) == []
    (rejected,) = clerk.report(job["id"], outcome="rejected")["items"]
    assert (rejected["row"], rejected["column"], rejected["code"]) == (4, "名称", "no-name")
    assert rejected["suggestion"] == "请补上名称。"

    refused = assert_problem(clerk.apply(job["id"]), 409, "import-rows-rejected")
    assert "skip_rejected" in refused["detail"]
    accepted = clerk.apply(job["id"], skip_rejected=True)
    assert (accepted.status_code, accepted.json()["state"]) == (202, "applying")
    job = clerk.done(job["id"])
    assert (job["state"], job["counts"]["new"]) == ("applied", 2)
    assert names(clerk, source) == ["中川镇老年助餐点", "秦川镇老年助餐点"]
    ((by,),) = clerk.sql("select applied_by from import_run where source_code = %s", source)
    assert by == f"account:{who(clerk.headers)}"
    steps = clerk.sql(
        "select detail ->> 'step' from audit_entry where object_id = %s order by at, id", job["id"]
    )
    assert [step for (step,) in steps] == ["upload", "apply", "applied"]
    whose = clerk.sql("select distinct account_id, roles from audit_entry where object_id = %s", job["id"])
    assert whose == [(who(clerk.headers), "district_admin")]  # by the worker too


def test_a_file_without_a_mapping_gets_one_that_must_be_confirmed(clerk, source):
    job = clerk.checked(table(*ROWS), source=source, crs="wgs84")
    assert (job["state"], job["mapping"], job["counts"]["new"]) == ("checked", "guessed", 2)
    assert "猜测" in job["message"]
    assert_problem(clerk.apply(job["id"]), 409, "import-mapping-unconfirmed")
    guessed = clerk.http.get(f"{IMPORTS}/{job['id']}/mapping", headers={"Accept": "application/yaml"})
    assert yaml.safe_load(guessed.text)["crs"] == "wgs84"
    assert "#" in guessed.text
    told = clerk.http.put(f"{IMPORTS}/{job['id']}/mapping", content=guessed.text)
    assert told.status_code == 202
    job = clerk.done(job["id"])
    assert (job["state"], job["mapping"]) == ("checked", "given")
    assert clerk.apply(job["id"]).status_code == 202
    assert clerk.done(job["id"])["state"] == "applied"
    # The next file of this source needs none.
    again = clerk.checked(table("1,中川镇老年餐厅,103.57,36.51"), source=source)
    assert (again["mapping"], again["counts"]["changed"], again["counts"]["absent"]) == ("saved", 1, 1)


def test_a_wrong_coordinate_system_is_said_and_corrected_in_the_mapping(clerk, source):
    job = clerk.checked(table(*ROWS), source=source)
    assert job["state"] == "refused"
    assert "坐标系" in job["message"]
    assert "--crs" not in job["message"]
    assert "PUT …/mapping" in job["message"]
    job = clerk.checked(table(*ROWS), source=source, crs="mars")
    assert job["state"] == "refused"
    assert "mars" in job["message"]
    said = clerk.http.get(f"{IMPORTS}/{job['id']}/mapping").json()
    corrected = said["mapping"] | {"crs": "gcj02"}
    assert clerk.http.put(f"{IMPORTS}/{job['id']}/mapping", json=corrected).status_code == 202
    assert clerk.done(job["id"])["state"] == "checked"
    mistaken = clerk.http.put(f"{IMPORTS}/{job['id']}/mapping", content="fields: [")
    assert "YAML" in assert_problem(mistaken, 422, "import-refused")["detail"]
    unknown = clerk.http.put(f"{IMPORTS}/{job['id']}/mapping", json=corrected | {"colour": 1})
    assert "colour" in assert_problem(unknown, 422, "import-refused")["detail"]
    assert clerk.job(job["id"])["state"] == "checked"


def test_a_form_carries_file_mapping_and_options(clerk, source):
    answer = clerk.http.post(
        IMPORTS,
        files={
            "file": ("助餐点.csv", table(*ROWS).decode().encode("gb18030")),
            "mapping": ("m.yaml", mapping(source, crs=None)),
        },
        data={"options": '{"crs": "gcj02", "encoding": "gb18030"}'},
    )
    assert answer.status_code == 202, answer.text
    job = clerk.done(answer.json()["id"])
    assert (job["state"], job["file"]["name"], job["counts"]["new"]) == ("checked", "助餐点.csv", 2)
    said = clerk.http.get(f"{IMPORTS}/{job['id']}/mapping").json()["mapping"]
    assert (said["crs"], said["table"]["encoding"]) == ("gcj02", "gb18030")
    for files, data, word in (
        ({"nothing": ("a.csv", b"x")}, {}, "nothing"),
        ({}, {"options": "{}"}, "file"),
        ({"file": ("a.csv", b"x")}, {"options": '{"crs": 1, "colour": 2}'}, "colour"),
        ({"file": ("a.csv", b"x")}, {"color": "red"}, "color"),
    ):
        # Without a file httpx would not send a form of this kind.
        sent = files or {"options": (None, "{}")}
        refused = clerk.http.post(IMPORTS, files=sent, data=data if files else {})
        assert word in assert_problem(refused, 422, "upload-invalid")["detail"]


def test_the_report_is_paged_and_opens_in_a_spreadsheet(clerk, source):
    rows = [f"{i},助餐点{i},103.57,{36 + i / 1000}" for i in range(450)]
    job = clerk.checked(table(*rows, "x,,1,1"), map=mapping(source))
    seen, following = [], None
    while True:
        page = clerk.report(
            job["id"], limit=120, outcome=["new", "rejected"], **({"next": following} if following else {})
        )
        seen += page["items"]
        following = page["next"]
        if following is None:
            break
    assert [line["row"] for line in seen if line["outcome"] == "new"] == list(range(2, 452))
    assert [line["code"] for line in seen if line["outcome"] == "rejected"] == ["no-name"]
    assert_problem(
        clerk.http.get(f"{IMPORTS}/{job['id']}/report", params={"next": "abc"}), 404, "invalid-cursor"
    )
    whole = clerk.http.get(f"{IMPORTS}/{job['id']}/report", params={"format": "csv"})
    assert whole.headers["content-type"].startswith("text/csv")
    assert whole.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(whole.content.decode("utf-8-sig"))))
    assert lines[0][0] == "行 row"
    assert sum(line[1] == "新增 new" for line in lines) == 450
    english = clerk.http.get(
        f"{IMPORTS}/{job['id']}/report", params={"outcome": "rejected"}, headers={"Accept-Language": "en"}
    ).json()
    assert english["items"][0]["reason"] == "The name is empty."


def test_undo_brings_back_every_column_and_child_and_takes_new_sites_away(clerk, source):
    header = HEADER + ",地址,电话,单位,服务,价格,材料,信用代码,通知"
    mapped = mapping(
        source,
        fields={
            "name": "名称", "address": "地址", "phones": "电话", "operator": "单位", "service": "服务",
            "cost_yuan": "价格", "documents": "材料", "external_ids.usci": "信用代码", "alert": "通知",
        },
    )  # fmt: skip
    first = table(
        "1,中川镇老年助餐点,103.57,36.51,中川街1号,0931-8255678,甲公司,午餐,12,身份证,91620100,停水",
        header=header,
    )
    clerk.applied(first, map=mapped)
    (site,) = clerk.sql("select id from site where source_code = %s", source)
    clerk.sql(
        "insert into hours_exception (site_id, on_date, hours, reason) values (%s, '2026-12-01', 'off', '盘点')",
        site[0],
    )
    before = clerk.sql(CONTENT)
    second = table(
        "1,中川社区餐厅,103.5712345678901,36.51,中川街2号,0931-8250000、400-800,乙公司,晚餐,8,户口簿,91620111,",
        "2,秦川镇老年助餐点,103.48,36.62,,,丙公司,,,,,",
        header=header,
    )
    job = clerk.applied(second, map=mapped.replace("测试", "换了名称"))
    assert (job["counts"]["new"], job["counts"]["changed"]) == (1, 1)
    assert clerk.sql(CONTENT) != before
    ((version,),) = clerk.sql("select version from site where id = %s", site[0])

    assert_problem(clerk.http.post(f"{IMPORTS}/{job['id']}/undo", json={}), 422, "invalid-request")
    assert clerk.undo(job["id"]).status_code == 202
    undone = clerk.done(job["id"])
    assert (undone["state"], undone["undo_reason"]) == ("undone", "传错了文件")
    assert clerk.sql(CONTENT) == before
    # A version is never used twice, and the history says what happened.
    assert clerk.sql("select version from site where id = %s", site[0]) == [(version + 1,)]
    acts = clerk.sql("select act from site_revision where site_id = %s order by version", site[0])
    assert acts[-1] == ("import_undone",)
    assert clerk.sql("select undone_at is not null from import_run where source_code = %s order by applied_at", source) == [
        (False,), (True,)
    ]  # fmt: skip
    assert_problem(clerk.undo(job["id"]), 409, "import-state")
    assert clerk.applied(second, map=mapped)["counts"] == job["counts"]


def test_an_import_that_something_depends_on_is_not_undone(clerk, source):
    job = clerk.applied(table(*ROWS), map=mapping(source))
    ids = [
        row[0] for row in clerk.sql("select id from site where source_code = %s order by external_id", source)
    ]
    before = clerk.sql(CONTENT)
    clerk.sql("update site set version = version + 1, alert = '装修' where id = %s", ids[0])
    edited = assert_problem(clerk.undo(job["id"]), 409, "import-undo-blocked")
    assert edited["dependents"] == [
        {"site_id": str(ids[0]), "name": "中川镇老年助餐点", "reason": "edited", "by": None}
    ]
    assert "中川镇老年助餐点" in edited["detail"]
    assert len(clerk.sql("select 1 from site where source_code = %s", source)) == 2
    clerk.sql("update site set version = version - 1, alert = null where id = %s", ids[0])
    assert clerk.sql(CONTENT) == before

    # What refers to a new site would be torn out with it.
    clerk.sql(
        "insert into site_closure (id, site_id, starts_at, reason, created_at)"
        " values (gen_random_uuid(), %s, now(), '装修', now())",
        ids[1],
    )
    used = assert_problem(clerk.undo(job["id"]), 409, "import-undo-blocked")["dependents"]
    assert [(one["site_id"], one["reason"], one["by"]) for one in used] == [
        (str(ids[1]), "used", "site_closure")
    ]
    # A later import that changed a row depends on it too; undone first, it no longer does.
    clerk.sql("delete from site_closure where site_id = %s", ids[1])
    later = clerk.applied(table("1,中川镇老年餐厅,103.57,36.51"), map=mapping(source))
    assert_problem(clerk.undo(job["id"]), 409, "import-undo-blocked")
    assert clerk.undo(later["id"]).status_code == 202
    assert clerk.done(later["id"])["state"] == "undone"
    assert names(clerk, source) == ["中川镇老年助餐点", "秦川镇老年助餐点"]
    assert clerk.undo(job["id"]).status_code == 202
    assert clerk.done(job["id"])["state"] == "undone"
    assert names(clerk, source) == []


def test_sites_that_changed_since_the_report_are_checked_again_and_not_written(clerk, source):
    clerk.applied(table(*ROWS), map=mapping(source))
    job = clerk.checked(table("1,中川镇老年餐厅,103.57,36.51"), map=mapping(source))
    clerk.sql(
        "update site set version = version + 1, address = '中川街9号' where source_code = %s and external_id = '1'",
        source,
    )
    assert clerk.apply(job["id"]).status_code == 202
    again = clerk.done(job["id"])
    assert again["state"] == "checked"
    assert "已经不准" in again["message"]
    assert names(clerk, source)[0] == "中川镇老年助餐点"
    assert clerk.apply(job["id"]).status_code == 202
    assert clerk.done(job["id"])["state"] == "applied"
    assert names(clerk, source)[0] == "中川镇老年餐厅"


def test_an_upload_is_deleted_before_it_is_applied_and_not_after(clerk, source):
    job = clerk.checked(table(*ROWS), map=mapping(source))
    assert clerk.http.delete(f"{IMPORTS}/{job['id']}").status_code == 204
    assert_problem(clerk.http.get(f"{IMPORTS}/{job['id']}"), 404, "import-not-found")
    assert clerk.sql("select 1 from import_chunk where job_id = %s", job["id"]) == []
    job = clerk.applied(table(*ROWS), map=mapping(source))
    refused = assert_problem(clerk.http.delete(f"{IMPORTS}/{job['id']}"), 409, "import-state")
    assert refused["state"] == "applied"
    assert "已导入" in refused["detail"]


def test_imports_are_listed_newest_first_and_by_source_and_state(clerk, source):
    made = [clerk.checked(table(row), map=mapping(source))["id"] for row in ROWS]
    page = clerk.http.get(IMPORTS, params={"source": source, "limit": 1}).json()
    assert [one["id"] for one in page["items"]] == [made[1]]
    rest = clerk.http.get(IMPORTS, params={"source": source, "limit": 1, "next": page["next"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == ([made[0]], None)
    assert clerk.http.get(IMPORTS, params={"source": source, "state": "applied"}).json()["items"] == []
    assert_problem(clerk.http.get(IMPORTS, params={"state": "eaten"}), 422, "invalid-request")


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as file:
            for _ in range(64):
                file.write(b"0" * (1 << 20))
    return buffer.getvalue()


def workbook():
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        book.add_worksheet().write_row(0, 0, HEADER.split(","))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.xlsx", workbook()[:900], "不完整"),
        ("a.xlsx", bomb(), "压缩炸弹"),
        ("a.csv", b"\x7fELF\x02\x01\x01\x00\x00\x00", "认不出"),
        ("a.csv", b"%PDF-1.7", "PDF"),
        ("../../etc/passwd", b"<!DOCTYPE html><html></html>", "网页"),
    ],
    ids=["truncated", "bomb", "binary", "pdf", "html"],
)
def test_what_cannot_be_imported_says_why_and_what_to_do(clerk, source, name, data, word):
    job = clerk.checked(data, name=name, source=source, crs="wgs84")
    assert job["state"] == "refused"
    assert word in job["message"]
    assert "/" not in job["file"]["name"]
    assert_problem(clerk.apply(job["id"]), 409, "import-state")


def test_an_empty_file_and_one_without_a_name_are_refused_at_once(clerk):
    assert "0 字节" in assert_problem(clerk.upload(b""), 422, "upload-invalid")["detail"]
    nameless = clerk.http.post(IMPORTS, content=table(*ROWS))
    assert "filename" in assert_problem(nameless, 422, "upload-invalid")["detail"]
    assert_problem(clerk.upload(b"x", map="fields: {}"), 422, "import-refused")
    assert_problem(clerk.upload(b"x", source="No Spaces"), 422, "invalid-request")
    assert_problem(clerk.upload(b"x", source="b", map=mapping("a")), 422, "upload-invalid")
    assert_problem(clerk.upload(b"x", name="a\x00.csv"), 422, "invalid-request")


def test_a_file_one_byte_too_large_is_refused_with_the_limit(office, clerk):
    token = clerk.headers["Authorization"]
    asked = (
        f"POST {IMPORTS}?filename=a.csv HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        "Content-Length: 200000001\r\n\r\n"
    )
    answer = exchange(office.url, asked.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"200 MB" in answer
    # Other addresses keep their own, small limit.
    refused = clerk.http.put(f"{IMPORTS}/{uuid.uuid4()}/mapping", content=b"x" * 1_000_001)
    assert_problem(refused, 413, "too-large")


def test_a_stranger_is_refused_before_the_file_is_read(office):
    asked = f"POST {IMPORTS}?filename=a.csv HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    answer = exchange(office.url, asked.encode())  # and no body yet
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer


def test_an_upload_that_breaks_off_leaves_nothing(office, clerk):
    before = clerk.sql("select count(*) from import_job")
    address = httpx.URL(office.url)
    head = (
        f"POST {IMPORTS}?filename=a.csv HTTP/1.1\r\nHost: x\r\nAuthorization: {clerk.headers['Authorization']}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"x" * 1000)
    assert clerk.http.get(IMPORTS).status_code == 200
    assert clerk.sql("select count(*) from import_job") == before


def test_a_role_for_a_township_is_not_enough_and_the_reason_is_said(office, office_url, source):
    township = Grant("district_admin", "township", str(uuid.uuid4()))
    with closing(Clerk(office.url, office_url, township)) as one:
        refused = assert_problem(one.upload(table(*ROWS)), 403, "import-scope")
        assert "全区" in refused["detail"]
        assert_problem(one.http.get(IMPORTS), 403, "import-scope")
        for path in ("", "/report", "/mapping"):
            assert_problem(one.http.get(f"{IMPORTS}/{uuid.uuid4()}{path}"), 403, "import-scope")
    with closing(Clerk(office.url, office_url, Grant("site_staff", "district"))) as one:
        assert_problem(one.upload(table(*ROWS)), 403, "not-allowed")


def test_what_was_uploaded_is_not_readable_in_the_database(clerk, source):
    data = table("1,中川镇老年助餐点,103.57,36.51,13912345678", header=HEADER + ",联系人手机")
    job = clerk.checked(data, map=mapping(source))
    ((size, plain),) = clerk.sql(
        "select sum(length(data))::int, bool_or(position('13912345678'::bytea in data) > 0) from import_chunk"
        " where job_id = %s",
        job["id"],
    )
    assert size > 0
    assert not plain


def test_without_a_worker_one_sees_since_when_it_waits_and_a_killed_one_leaves_nothing_half_done(
    database_url, redis_url, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a killed process leaves its files
    settings = {"database_url": database_url, "redis_url": redis_url}
    with serving(tmp_path / "server", **settings) as one, closing(Clerk(one.url, database_url)) as clerk:
        rows = [f"{i},助餐点{i},{103.4 + i % 100 / 1000},{36.4 + i // 100 / 1000}" for i in range(20_000)]
        job = clerk.upload(table(*rows), map=mapping("big")).json()
        waiting = clerk.job(job["id"])
        assert waiting["state"] == "uploaded"
        assert waiting["progress"]["waiting_since"] == waiting["created_at"]
        clerk.sql("update import_job set queued_at = queued_at - interval '1 minute'")
        assert "xinban worker" in clerk.job(job["id"])["message"]
        assert_problem(clerk.http.get(f"{IMPORTS}/{job['id']}/report"), 409, "import-state")
        assert_problem(clerk.apply(job["id"]), 409, "import-state")

        with running(tmp_path / "first", "worker", **settings) as worker:
            assert clerk.done(job["id"])["counts"]["new"] == 20_000
            assert clerk.apply(job["id"]).status_code == 202
            wait_until(
                lambda: clerk.sql("select 1 from pg_stat_activity where query ilike 'copy incoming_site%%'"
                                  " and datname = current_database()"),
                "the import under way",
            )  # fmt: skip
            os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        assert clerk.job(job["id"])["state"] == "applying"
        wait_until(
            lambda: clerk.sql("select count(*) from pg_stat_activity where datname = current_database()"
                              " and query ilike '%%incoming_site%%' and pid <> pg_backend_pid()") == [(0,)],
            "the dead worker's transaction to end",
        )  # fmt: skip
        assert clerk.sql("select count(*) from site") == [(0,)]
        assert clerk.sql("select count(*) from import_run") == [(0,)]
        # As the periodic task does some minutes later, when the worker has not been heard of.
        clerk.sql("update procrastinate_workers set last_heartbeat = now() - interval '10 minutes'")
        clerk.sql(
            "select procrastinate_retry_job_v2(id, now(), null, null, null) from procrastinate_jobs"
            " where status = 'doing' and task_name = 'imports.apply'"
        )
        with running(tmp_path / "second", "worker", **settings):
            assert clerk.done(job["id"])["state"] == "applied"
        assert clerk.sql("select count(*) from site") == [(20_000,)]
        assert clerk.sql("select count(*) from import_run") == [(1,)]
