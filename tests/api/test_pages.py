"""Pages for people, judged by what a screen reader and a phone make of them."""

import io
import re
from html.parser import HTMLParser
from itertools import pairwise

import httpx
import psycopg
import pytest
import segno


class Page(HTMLParser):
    """Elements as (tag, attributes), and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def site_id(sql):
    ((found,),) = sql.execute("select id::text from site where name = '彩虹城社区老年助餐点'").fetchall()
    return found


@pytest.fixture(scope="module")
def guide(api, site_id):
    answer = api.get(f"/v1/sites/{site_id}/guide")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


def loaded(page):
    """Addresses a browser fetches by itself with the page."""
    links = [link["href"] for link in page.all("link")]
    return links + [
        one["src"] for tag in ("script", "img", "iframe") for one in page.all(tag) if "src" in one
    ]


def assert_accessible(page):
    assert page.all("html")[0]["lang"] == "zh-CN"
    assert "width=device-width" in page.all("meta")[1]["content"]
    assert "user-scalable" not in page.all("meta")[1]["content"]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(deeper - higher <= 1 for higher, deeper in pairwise(levels))
    assert all(
        attributes.get("lang") == "en"
        for _, attributes in page.elements
        if attributes.get("class") == "en" and "lang" in attributes
    )
    assert all("scope" in attributes for attributes in page.all("th"))
    assert loaded(page) == []
    assert page.all("script") == []


def test_the_front_page_says_what_this_is_and_leads_to_three_live_examples(api):
    page = Page(api.get("/").text)
    assert_accessible(page)
    links = [link["href"] for link in page.all("a")]
    assert {"/docs", "/openapi.json", "/readyz"} <= set(links)
    examples = [link for link in links if link.startswith("/v1/")]
    assert len(examples) == 3
    for link in links:
        assert api.get(link).status_code == 200, link
    assert api.get(examples[1]).json()["items"]
    assert api.get(examples[2]).json()["districts"]


def test_the_guide_is_readable_by_a_screen_reader_and_large(guide):
    assert_accessible(guide)
    assert guide.all("h1")


def test_the_guide_says_what_a_visitor_needs(guide):
    for wanted in (
        "彩虹城社区老年助餐点",
        "兰州新区中川镇彩虹城社区经七路31号",
        "今天",
        "11:00–13:00",
        "60 周岁以上居民",
        "请带：身份证",
        "12 元／餐",
        "兰州新区惠民餐饮（演示）",
        "synthetic demo",
    ):
        assert wanted in guide.text, wanted
    assert "None" not in guide.text
    links = [link["href"] for link in guide.all("a")]
    assert re.fullmatch(r"tel:0931-555-\d{4}", links[0])
    assert links[1].startswith("https://uri.amap.com/marker?position=103.6")


def test_hours_round_the_clock_past_midnight_and_closed_for_now_are_put_into_words(api, sql):
    def text(where):
        ((one,),) = sql.execute(f"select id::text from site where {where} limit 1").fetchall()
        return Page(api.get(f"/v1/sites/{one}/guide").text).text

    assert "全天" in text("hours = '24/7'")
    assert "00:00–00:00" not in text("hours = '24/7'")
    closed = text("status = 'temporarily_closed'")
    assert "暂停服务" in closed
    assert "11:00–13:00" not in closed
    assert "已停止服务" in text("status = 'inactive'")
    assert "未填写，请先打电话询问" in text("hours is null and status = 'active'")


def test_text_of_a_site_cannot_become_markup(edited):
    one, database_url = edited
    with psycopg.connect(database_url, autocommit=True) as connection:
        ((site_id,),) = connection.execute(
            "update site set name = '<script>alert(1)</script>', url = 'javascript:alert(1)'"
            " where id = (select id from site limit 1) returning id::text"
        ).fetchall()
    html = httpx.get(f"{one.url}/v1/sites/{site_id}/guide", trust_env=False)
    svg = httpx.get(f"{one.url}/v1/sites/{site_id}/qr.svg", trust_env=False)
    assert "&lt;script&gt;" in html.text
    assert "<script" not in html.text
    assert "javascript:" not in html.text
    assert "script-src" not in html.headers["content-security-policy"]
    assert "<script" not in svg.text


def test_the_colours_of_text_are_easy_to_tell_from_their_ground(api):
    """WCAG 2 asks for 4.5:1; what is written for old eyes should reach it everywhere, in the dark too."""
    style = api.get("/").text
    pairs = {
        "state": ("#222", "#eef2f7"),
        "open": ("#0b4a1d", "#d7f2dd"),
        "unknown": ("#4d3800", "#fff3d1"),
        "english": ("#555", "#fff"),
        "link": ("#0a58ca", "#fff"),
        "dark link": ("#8ab4f8", "#121212"),
        "dark english": ("#aaa", "#121212"),
    }
    for name, (ink, ground) in pairs.items():
        assert ink in style, name
        assert contrast(ink, ground) >= 4.5, name


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio of two CSS colours."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_code_to_print_opens_the_guide(api, server, site_id):
    answer = api.get(f"/v1/sites/{site_id}/qr.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "彩虹城社区老年助餐点 办事指南二维码" in answer.text
    wanted = io.BytesIO()
    code = segno.make_qr(f"{server.url}/v1/sites/{site_id}/guide", error="m")
    code.save(wanted, kind="svg", scale=8, border=4, xmldecl=False)
    path = re.compile(r'<path[^>]* d="([^"]+)"')
    assert path.findall(answer.text) == path.findall(wanted.getvalue().decode())


def test_the_docs_load_nothing_from_elsewhere(api):
    answer = api.get("/docs")
    page = Page(answer.text)
    addresses = loaded(page)
    assert len(addresses) >= 3
    assert all(address.startswith("/") for address in addresses)
    for address in addresses:
        assert api.get(address).status_code == 200, address
    assert not re.search(r"https?://", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
