"""Access tokens against whoever makes them up: what is not ours to the letter is refused, and nothing else happens."""

import base64
import json
import random
from datetime import timedelta

import pytest

from api.identity.tokens import CACHED_TOKENS, LIFETIME, AccessTokens, ExpiredToken, InvalidToken
from core import clock
from core.actor import Grant
from core.ids import new_id
from core.keyring import Key, KeyRing

ALTERED = 5_000


@pytest.fixture
def now():
    return clock.now()


@pytest.fixture
def tokens(ring):
    return AccessTokens(ring, environment="production")


@pytest.fixture
def issue(tokens, now):
    def issue(by=tokens, at=now):
        return by.issue(
            account_id=new_id(),
            session_id=new_id(),
            assurance="phone",
            channel="app",
            grants=(Grant("site_staff", "site", str(new_id())),),
            now=at,
        )[0]

    return issue


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": ["HS256"], "kid": "t2.1"},
        {"alg": "HS512", "kid": "t2.1"},
        {"alg": "RS256", "kid": "t2.1", "jwk": {}},
        {"alg": "HS256", "kid": ["t2.1"]},
        {"alg": "HS256", "kid": {"t2": 1}},
        {"alg": "HS256", "kid": "t2"},
        {"alg": "HS256", "kid": "t2.²"},
        {"alg": "HS256", "kid": "t2.9999999"},
        {"alg": "HS256", "kid": "t9.1"},
        {"alg": "HS256", "kid": "t2.1", "crit": ["x"]},
        [],
        "x",
        None,
    ],
    ids=str,
)
def test_a_header_of_somebody_elses_making_is_refused(tokens, issue, now, header):
    _, claims, signature = issue().split(".")
    for made in (f"{part(header)}.{claims}.{signature}", f"{part(header)}.{claims}."):
        with pytest.raises(InvalidToken):
            tokens.verify(made, now=now)


def test_a_token_altered_anywhere_is_refused_and_nothing_breaks(tokens, issue, now):
    token, chance = issue(), random.Random(7)
    for _ in range(ALTERED):
        letters = list(token)
        for _ in range(chance.randint(1, 3)):
            letters[chance.randrange(len(letters) - 1)] = chr(
                chance.choice([chance.randrange(33, 127), 0xE9, 0, 0x4E2D])
            )
        made = "".join(letters)
        if made != token:
            with pytest.raises(InvalidToken):
                tokens.verify(made, now=now)
    tokens.verify(token, now=now)  # negative control: as it was, it is good


@pytest.mark.parametrize(
    "spelled", ["{}=", "{}====", " {}", "{}\n", "{}.", "..", "", "." * 9_000, "{}" + "A" * 9_000]
)
def test_a_token_has_one_spelling(tokens, issue, now, spelled):
    with pytest.raises(InvalidToken):
        tokens.verify(spelled.format(issue()), now=now)


def test_a_token_of_another_environment_or_ring_is_refused(tokens, issue, ring, now):
    for other in (
        AccessTokens(ring, environment="development"),
        AccessTokens(KeyRing([Key.create("t2", "aes")]), environment="production"),
    ):
        made = issue(other)
        other.verify(made, now=now)
        with pytest.raises(InvalidToken):
            tokens.verify(made, now=now)


def test_a_token_of_a_key_that_left_the_ring_is_refused(ring, issue, now):
    newer = Key.create("t3", "gm")
    made = issue(AccessTokens(ring, environment="production"))
    AccessTokens(KeyRing([newer, *ring.keys.values()]), environment="production").verify(made, now=now)
    with pytest.raises(InvalidToken):
        AccessTokens(KeyRing([newer]), environment="production").verify(made, now=now)


def test_a_token_ends_after_its_time_also_when_it_is_known(tokens, issue, now):
    token = issue()
    tokens.verify(token, now=now)
    tokens.verify(token, now=now + LIFETIME - timedelta(seconds=1))
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            tokens.verify(token, now=now + LIFETIME)


def test_a_process_keeps_no_more_tokens_than_it_has_room_for(tokens, issue, now):
    for _ in range(CACHED_TOKENS + 100):
        tokens.verify(issue(), now=now)
    assert len(tokens._verified) == CACHED_TOKENS
