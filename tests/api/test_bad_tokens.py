"""Access tokens that were not issued here, or not for here, are refused by a running server."""

import base64
import json
from datetime import timedelta

import httpx
import jwt
import pytest

from api.identity.tokens import AccessTokens
from core import clock
from core.ids import new_id
from core.keyring import Key, KeyRing
from tests.api.signing_in import RING


@pytest.fixture(scope="module")
def url(server):
    return server.url


def get(url, path, headers):
    return httpx.get(url + path, headers=headers, trust_env=False)


def claims_now(**changed):
    now = int(clock.now().timestamp())
    return {
        "iss": "xinban",
        "aud": "xinban-production",
        "sub": str(new_id()),
        "sid": str(new_id()),
        "asr": "real_name",
        "chn": "web",
        "grt": [["district_admin", "district", None]],
        "iat": now,
        "exp": now + 900,
        **changed,
    }


def period():
    return int(clock.now().timestamp() // timedelta(days=7).total_seconds())


def unsigned():
    parts = ({"alg": "none", "kid": f"t2.{period()}"}, claims_now())
    said = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*said, ""])


def signed(key_id, secret, **changed):
    return jwt.encode(claims_now(**changed), secret, "HS256", headers={"kid": key_id} if key_id else {})


def right_secret(audience="xinban-production"):
    return RING.current.derive(f"token/{audience}/{period()}")


def altered():
    head, body, seal = signed(f"t2.{period()}", right_secret()).split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    said["grt"] = [["auditor", "district", None]]
    other = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    return f"{head}.{other}.{seal}"


BAD_TOKENS = {
    "not a token": lambda: "x",
    "empty parts": lambda: "..",
    "alg none": unsigned,
    "an unknown key": lambda: signed(f"t9.{period()}", right_secret()),
    "no key id": lambda: signed(None, right_secret()),
    "a key id that is no text": lambda: signed("../../etc/passwd", right_secret()),
    "the right key id, another secret": lambda: signed(f"t2.{period()}", b"s" * 32),
    "a period made up": lambda: signed("t2.1", right_secret()),
    "altered": altered,
    "of development": lambda: signed(
        f"t2.{period()}", right_secret("xinban-development"), aud="xinban-development"
    ),
    "signed for development, said to be of production": lambda: signed(
        f"t2.{period()}", right_secret("xinban-development")
    ),
    "for another audience": lambda: signed(f"t2.{period()}", right_secret(), aud="other"),
    "of another issuer": lambda: signed(f"t2.{period()}", right_secret(), iss="other"),
    "whose account is no id": lambda: signed(f"t2.{period()}", right_secret(), sub="1"),
    "very long": lambda: signed(f"t2.{period()}", right_secret(), more="x" * 9_000),
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_token_that_is_not_ours_is_refused(url, kind):
    answer = get(url, "/v1/me/sessions", {"Authorization": f"Bearer {BAD_TOKENS[kind]()}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid-token")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_made_as_above_with_the_right_key_is_accepted(url):
    """Negative control: each of the above differs from this one in what its name says only."""
    good = signed(f"t2.{period()}", right_secret())
    assert get(url, "/v1/me/sessions", {"Authorization": f"Bearer {good}"}).status_code == 200


def test_a_token_that_is_late_says_so(url):
    now = int(clock.now().timestamp())
    late = signed(f"t2.{period()}", right_secret(), iat=now - 1000, exp=now - 1)
    answer = get(url, "/v1/me/sessions", {"Authorization": f"Bearer {late}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "expired-token")


def test_a_server_with_other_keys_does_not_know_our_tokens(url):
    ring = KeyRing([Key("t2", "aes", b"x" * 32)])
    token, _ = AccessTokens(ring, environment="production").issue(
        account_id=new_id(),
        session_id=new_id(),
        assurance="phone",
        channel="web",
        grants=(),
        now=clock.now(),
    )
    assert get(url, "/v1/me/sessions", {"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Basic YTpi", "token"])
def test_another_kind_of_authorization_is_refused(url, header):
    assert get(url, "/v1/me/sessions", {"Authorization": header}).status_code == 401


def test_signed_out_callers_are_asked_to_sign_in(url):
    for answer in (
        get(url, "/v1/me/sessions", {}),
        get(url, "/v1/me/identities", {}),
        httpx.delete(f"{url}/v1/auth/tokens", trust_env=False),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")
