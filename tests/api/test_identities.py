"""Several ways into one account: identities elsewhere and a phone are linked, and taken back."""

import secrets

import httpx
import psycopg
import pytest

from tests.api.openid import Client, serving_with_providers
from tests.api.running import wait_until
from tests.api.signing_in import ask_for_code, bearer, code_of, later, new_phone, post, sign_in_by_phone


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
def database(edited):
    return edited[1]


def identities(url, tokens):
    answer = httpx.get(f"{url}/v1/me/identities", headers=bearer(tokens), trust_env=False)
    return answer.json()["items"]


def link(url, tokens, body):
    return post(url, "/v1/me/identities", body, **bearer(tokens))


def test_an_identity_is_linked_and_signs_in_to_the_same_account(url, database):
    tokens = sign_in_by_phone(url, database, phone := new_phone())
    client = Client(url)
    answer = link(url, tokens, client.body(client.consent("g-2001")))
    assert answer.status_code == 200, answer.text
    shown = answer.json()["items"]
    assert [one["provider"] for one in shown] == ["phone", "gansu"]
    assert shown[0]["phone"] == f"{phone[:3]}****{phone[-4:]}"
    client = Client(url)
    assert client.sign_in(client.consent("g-2001")).json()["account"] == tokens["account"]
    # Linked twice it is there once.
    client = Client(url)
    assert len(link(url, tokens, client.body(client.consent("g-2001"))).json()["items"]) == 2


def test_linking_again_under_its_key_is_answered_although_the_provider_knows_the_code_no_more(url, database):
    tokens, client = sign_in_by_phone(url, database, new_phone()), Client(url)
    body, key = client.body(client.consent("g-2011")), {"Idempotency_Key": secrets.token_hex(8)}
    first, again = (post(url, "/v1/me/identities", body, **bearer(tokens), **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.content == first.content
    assert link(url, tokens, body).json()["code"] == "external-refused"


def test_an_identity_of_somebody_else_is_not_linked(url, database):
    client = Client(url)
    client.sign_in(client.consent("g-2002"))
    tokens = sign_in_by_phone(url, database, new_phone())
    client = Client(url)
    answer = link(url, tokens, client.body(client.consent("g-2002")))
    assert (answer.status_code, answer.json()["code"]) == (409, "identity-taken")


def test_a_phone_is_linked_with_its_code(url, database):
    client = Client(url)
    tokens = client.sign_in(client.consent("g-2003")).json()
    phone = new_phone()
    ask_for_code(url, phone)
    body = {"grant": "phone_code", "phone": phone, "code": "000000"}
    code = code_of(database, phone)
    if code != "000000":
        assert link(url, tokens, body).json()["code"] == "code-refused"
    assert link(url, tokens, {**body, "code": code}).status_code == 200
    later(database, phone, 2)
    assert sign_in_by_phone(url, database, phone)["account"] == tokens["account"]
    # Its tokens of before say less than is known now: they are refused, and a refresh tells.
    wait_until(
        lambda: (
            httpx.get(f"{url}/v1/me/identities", headers=bearer(tokens), trust_env=False).status_code == 401
        ),
        "the old token refused",
        5,
    )
    fresh = post(
        url, "/v1/auth/tokens", {"grant": "refresh", "refresh_token": tokens["refresh_token"]}
    ).json()
    assert fresh["assurance"] == "phone"
    other = new_phone()
    ask_for_code(url, other)
    answer = link(url, fresh, {"grant": "phone_code", "phone": other, "code": code_of(database, other)})
    assert (answer.status_code, answer.json()["code"]) == (409, "phone-held")


def test_a_phone_that_has_an_account_is_not_linked_to_another_one(url, database):
    phone = new_phone()
    sign_in_by_phone(url, database, phone)
    later(database, phone, 2)
    client = Client(url)
    tokens = client.sign_in(client.consent("g-2004")).json()
    ask_for_code(url, phone)
    answer = link(url, tokens, {"grant": "phone_code", "phone": phone, "code": code_of(database, phone)})
    assert (answer.status_code, answer.json()["code"]) == (409, "identity-taken")


def test_an_identity_is_taken_back_but_not_the_last_way_in(url, database):
    tokens = sign_in_by_phone(url, database, new_phone())
    client = Client(url)
    link(url, tokens, client.body(client.consent("g-2005")))
    identity = identities(url, tokens)[1]["id"]
    path = f"{url}/v1/me/identities/{identity}"
    stranger = sign_in_by_phone(url, database, new_phone())
    assert httpx.delete(path, headers=bearer(stranger), trust_env=False).status_code == 404
    assert httpx.delete(path, headers=bearer(tokens), trust_env=False).status_code == 204
    assert len(identities(url, tokens)) == 1
    client = Client(url)
    only = client.sign_in(client.consent("g-2006")).json()
    (last,) = identities(url, only)
    answer = httpx.delete(f"{url}/v1/me/identities/{last['id']}", headers=bearer(only), trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (409, "last-identity")


def test_linking_and_taking_back_are_on_record(url, database):
    tokens = sign_in_by_phone(url, database, new_phone())
    client = Client(url)
    identity = link(url, tokens, client.body(client.consent("g-2007"))).json()["items"][1]["id"]
    httpx.delete(f"{url}/v1/me/identities/{identity}", headers=bearer(tokens), trust_env=False)
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select detail from audit_entry where account_id = %s and action = 'account.own' order by at",
            (tokens["account"]["id"],),
        ).fetchall()
    assert rows == [({"linked": "gansu"},), ({"unlinked": "gansu"},)]
