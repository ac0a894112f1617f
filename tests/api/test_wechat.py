"""Sign-in from a WeChat mini-program, against a process that answers as WeChat's documents say."""

import httpx
import psycopg
import pytest

from tests.api.outside import APP_ID, APP_SECRET, outside
from tests.api.running import free_port, serving
from tests.api.signing_in import bearer, post, sign_in_by_phone

WRONG = "0" * 31 + "1"


@pytest.fixture(scope="module")
def wechat(tmp_path_factory):
    with outside("wechat", tmp_path_factory.mktemp("wechat") / "log") as one:
        yield one


@pytest.fixture(scope="module")
def one(tmp_path_factory, edited, redis_url, wechat):
    with serving(
        tmp_path_factory.mktemp("api") / "log",
        database_url=edited[1],
        redis_url=redis_url,
        wechat_app_id=APP_ID,
        wechat_secret=APP_SECRET,
        wechat_url=wechat.url,
        log_level="DEBUG",
    ) as running:
        yield running
        assert APP_SECRET not in running.log_path.read_text()


def sign_in(url, code):
    return post(url, "/v1/auth/tokens", {"grant": "wechat", "code": code}, X_Channel="app")


def test_who_opens_the_mini_program_is_known_the_next_time(one, wechat):
    first, second, other = (sign_in(one.url, f"openid-{name}") for name in ("oA1", "oA1", "oB2"))
    assert first.status_code == 200, first.text
    assert first.json()["account"] == second.json()["account"] != other.json()["account"]
    assert first.json()["assurance"] == "none"
    assert wechat.asked()[-1]["asked"]["js_code"] == "openid-oB2"


@pytest.mark.parametrize("code", ["nonsense", "used", "blocked"])
def test_a_code_that_wechat_refuses_signs_nobody_in(one, code):
    answer = sign_in(one.url, code)
    assert (answer.status_code, answer.json()["code"]) == (401, "external-refused")


@pytest.mark.parametrize("code", ["busy", "too-often", "not-json"])
def test_when_wechat_is_in_trouble_one_tries_again_later(one, code):
    answer = sign_in(one.url, code)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider-away")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_wrong_secret_is_said_in_the_log_and_not_to_callers(edited, redis_url, wechat, tmp_path):
    with serving(
        tmp_path / "log",
        database_url=edited[1],
        redis_url=redis_url,
        wechat_app_id=APP_ID,
        wechat_secret=WRONG,
        wechat_url=wechat.url,
    ) as other:
        answer = sign_in(other.url, "openid-oA1")
        assert (answer.status_code, answer.json()["code"]) == (503, "provider-away")
        assert any(line.get("reason") == "errcode 40125" for line in other.log())
        assert WRONG not in other.log_path.read_text()


def test_wechat_that_cannot_be_reached_is_503_and_the_secret_stays_out_of_the_log(
    edited, redis_url, tmp_path
):
    with serving(
        tmp_path / "log",
        database_url=edited[1],
        redis_url=redis_url,
        wechat_app_id=APP_ID,
        wechat_secret=WRONG,
        wechat_url=f"http://127.0.0.1:{free_port()}",
    ) as other:
        assert sign_in(other.url, "openid-oA1").status_code == 503
        assert WRONG not in other.log_path.read_text()


def test_without_a_mini_program_there_is_no_such_way(edited):
    answer = sign_in(edited[0].url, "openid-oA1")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-provider")
    listed = httpx.get(f"{edited[0].url}/v1/auth/providers", trust_env=False).json()
    assert listed == {"items": [], "next": None}


def test_it_is_listed_where_there_is_one(one):
    (item,) = httpx.get(f"{one.url}/v1/auth/providers", trust_env=False).json()["items"]
    assert (item["name"], item["grant"], item["title_zh"], item["authorization_url"]) == (
        "wechat",
        "wechat",
        "微信",
        None,
    )


def test_wechat_is_linked_to_an_account_with_a_phone(one, edited):
    tokens = sign_in_by_phone(one.url, edited[1], "13600000001")
    answer = post(one.url, "/v1/me/identities", {"grant": "wechat", "code": "openid-oC3"}, **bearer(tokens))
    assert [item["provider"] for item in answer.json()["items"]] == ["phone", "wechat"]
    assert sign_in(one.url, "openid-oC3").json()["account"] == tokens["account"]


def test_neither_openid_nor_session_key_is_kept_legibly(one, edited):
    sign_in(one.url, "openid-oLegible")
    with psycopg.connect(edited[1]) as connection:
        rows = connection.execute("select to_jsonb(t)::text from external_identity t").fetchall()
    assert rows
    assert not any("oLegible" in row[0] or b"oLegible".hex() in row[0] for row in rows)
