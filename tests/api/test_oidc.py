"""Sign-in through OpenID Connect: a real provider process, and one that hands out ID tokens it should not."""

import base64
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from tests.api.openid import REDIRECT, SECRET, Client, serving_with_providers
from tests.api.signing_in import post, sign_in_by_phone


@pytest.fixture(scope="module")
def one(tmp_path_factory, edited, redis_url):
    """A server with providers, the honest one's address, and the dishonest one."""
    with serving_with_providers(
        tmp_path_factory.mktemp("openid"), database_url=edited[1], redis_url=redis_url
    ) as running:
        yield running


@pytest.fixture
def url(one):
    return one[0].url


@pytest.fixture
def provider(one):
    return one[1]


@pytest.fixture
def dishonest(one):
    return one[2]


@pytest.fixture
def database(edited):
    return edited[1]


def test_the_list_has_each_provider_with_the_page_to_open(url, provider):
    client = Client(url)
    page = urlsplit(client.page("gansu"))
    assert f"{page.scheme}://{page.netloc}" == provider
    said = {name: value for name, (value,) in parse_qs(page.query).items()}
    assert said == {
        "response_type": "code",
        "client_id": "xinban",
        "scope": "openid phone",
        "redirect_uri": REDIRECT,
        "state": client.state,
        "nonce": client.nonce,
        "code_challenge": client.challenge,
        "code_challenge_method": "S256",
    }
    assert "?tenant=1&response_type=code" in client.page("dishonest")


def test_a_provider_that_is_away_is_listed_as_such(url):
    items = httpx.get(f"{url}/v1/auth/providers", trust_env=False, timeout=20).json()["items"]
    assert {item["name"]: item["available"] for item in items} == {
        "gansu": True,
        "dishonest": True,
        "public": True,
        "impostor": False,
        "away": False,
    }


def test_a_resident_signs_in_and_is_known_the_next_time(url):
    first, second = (Client(url).sign_in(Client(url).consent("g-1002"), nonce=None) for _ in range(2))
    # Without its nonce an ID token that has one is not the answer to this client's request.
    assert (first.status_code, second.status_code) == (401, 401)
    accounts = []
    for _ in range(2):
        client = Client(url)
        answer = client.sign_in(client.consent("g-1002"))
        assert answer.status_code == 200, answer.text
        accounts.append(answer.json()["account"]["id"])
        assert answer.json()["assurance"] == "none"
    assert accounts[0] == accounts[1]


def test_who_the_provider_identified_in_person_has_real_name(url):
    client = Client(url)
    assert client.sign_in(client.consent("g-1001")).json()["assurance"] == "real_name"


def test_a_verified_phone_leads_to_the_account_that_has_it(url, database):
    by_phone = sign_in_by_phone(url, database, "13700000001")
    client = Client(url)
    answer = client.sign_in(client.consent("g-1003")).json()
    assert answer["account"] == by_phone["account"]
    assert answer["assurance"] == "phone"


def test_a_phone_that_is_not_verified_leads_nowhere(url, database):
    by_phone = sign_in_by_phone(url, database, "13700000002")
    client = Client(url)
    answer = client.sign_in(client.consent("g-1004")).json()
    assert answer["account"] != by_phone["account"]
    assert answer["assurance"] == "none"


def test_a_code_is_good_once_at_the_provider(url):
    client = Client(url)
    code = client.consent("g-1002")
    assert client.sign_in(code).status_code == 200
    answer = client.sign_in(code)
    assert (answer.status_code, answer.json()["code"]) == (401, "external-refused")


def test_what_a_provider_confirms_is_not_kept_under_a_key(url):
    """Asking it takes long, and no connection is held meanwhile."""
    client = Client(url)
    body, key = client.body(client.consent("g-1002")), secrets.token_hex(8)
    first, again = (post(url, "/v1/auth/tokens", body, Idempotency_Key=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 401)


def test_a_stolen_code_is_of_no_use_without_the_verifier(url):
    client = Client(url)
    answer = client.sign_in(client.made_up("right"), "dishonest", code_verifier="v" * 43)
    assert (answer.status_code, answer.json()["code"]) == (401, "external-refused")


@pytest.mark.parametrize("kind", ["right", "es256", "this-party"])
def test_an_honest_token_is_accepted(url, kind):
    """Negative control of the test below."""
    client = Client(url)
    answer = client.sign_in(client.made_up(kind), "dishonest")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "kind",
    [
        "alg-none",
        "hs256",
        "another-key",
        "unknown-key",
        "another-audience",
        "many-audiences",
        "another-party",
        "another-issuer",
        "late",
        "early",
        "another-nonce",
        "no-subject",
        "number-subject",
        "no-token",
        "used",
    ],
)
def test_a_dishonest_token_is_refused(url, kind):
    client = Client(url)
    answer = client.sign_in(client.made_up(kind), "dishonest")
    assert (answer.status_code, answer.json()["code"]) == (401, "external-refused")


@pytest.mark.parametrize("kind", ["broken", "secret-changed"])
def test_a_provider_in_trouble_is_503_and_the_log_says_which(one, url, kind):
    client = Client(url)
    answer = client.sign_in(client.made_up(kind), "dishonest")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider-away")
    assert int(answer.headers["retry-after"]) >= 1
    assert any(line.get("provider") == "dishonest" for line in one[0].log())


@pytest.mark.parametrize("name", ["away", "impostor"])
def test_a_provider_that_is_away_or_says_to_be_another_one_is_503(url, name):
    client = Client(url)
    assert client.sign_in(client.made_up("right"), name).json()["code"] == "provider-away"


def test_an_unknown_provider_is_named_as_such(url):
    client = Client(url)
    answer = client.sign_in("x", "other")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-provider")


def test_our_secret_is_shown_to_the_provider_and_to_nobody_without_one(url, dishonest):
    client = Client(url)
    client.sign_in(client.made_up("right"), "dishonest")
    basic = base64.b64encode(f"xinban:{SECRET}".encode()).decode()
    assert dishonest.asked()[-1]["authorization"] == f"Basic {basic}"
    client.sign_in(client.made_up("right"), "public")
    assert dishonest.asked()[-1]["authorization"] is None


def test_the_same_name_at_two_providers_is_two_people(url):
    client = Client(url)
    accounts = {
        client.sign_in(client.made_up("right"), name).json()["account"]["id"]
        for name in ("dishonest", "public")
    }
    assert len(accounts) == 2


def test_keys_made_up_do_not_make_us_ask_the_provider_each_time(url, dishonest):
    client = Client(url)
    client.sign_in(client.made_up("right"), "dishonest")
    before = sum(one["path"] == "/keys" for one in dishonest.asked())
    for _ in range(5):
        client.sign_in(client.made_up("unknown-key"), "dishonest")
    assert sum(one["path"] == "/keys" for one in dishonest.asked()) <= before + 1


def test_subjects_cannot_be_read_in_the_table(url, database):
    client = Client(url)
    client.sign_in(client.made_up("right"), "dishonest")
    with psycopg.connect(database) as connection:
        rows = connection.execute("select to_jsonb(t)::text from external_identity t").fetchall()
    assert rows
    assert not any("resident-1" in row[0] or b"resident-1".hex() in row[0] for row in rows)
