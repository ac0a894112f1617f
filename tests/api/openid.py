"""A server with OpenID providers: an honest one, a dishonest one, one that is away; and a client of theirs."""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.api.outside import Outside, listens, outside
from tests.api.running import Running, free_port, serving, wait_until
from tests.api.signing_in import post

REDIRECT = "https://app.example/back"
PEOPLE = [
    {"sub": "g-1001", "level": "L3"},
    {"sub": "g-1002", "level": "L1"},
    {"sub": "g-1003", "level": "L1", "phone_number": "+8613700000001", "phone_number_verified": True},
    {"sub": "g-1004", "level": "L1", "phone_number": "+8613700000002", "phone_number_verified": False},
]
SECRET = "s3cret"


@contextmanager
def honest_provider(folder: Path) -> Iterator[str]:
    """The address of an OpenID provider, a process, with some residents."""
    port = free_port()
    script = Path(sys.executable).with_name("oidc-provider-mock")
    users = [word for person in PEOPLE for word in ("--user-claims", json.dumps(person))]
    with (folder / "provider").open("wb") as log:
        process = subprocess.Popen([script, "--port", str(port), *users], stdout=log, stderr=log)
        try:
            wait_until(lambda: listens(port), "the provider")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def serving_with_providers(folder: Path, **settings: str) -> Iterator[tuple[Running, str, Outside]]:
    """The server, the address of the honest provider, and the dishonest one."""
    titles = {"title_zh": "甘快办", "title_en": "Gansu's app", "client_id": "xinban"}
    with honest_provider(folder) as honest, outside("openid", folder / "dishonest") as dishonest:
        gansu = {
            "name": "gansu",
            "issuer": honest,
            "client_secret": SECRET,
            "scopes": ["openid", "phone"],
            "assurance_claim": "level",
            "assurance_values": ["L3", "L4"],
            "phone_claim": "phone_number",
        }
        others = [
            {"name": "dishonest", "issuer": dishonest.url, "client_secret": SECRET},
            {"name": "public", "issuer": dishonest.url},
            {"name": "impostor", "issuer": dishonest.url + "/other"},
            {"name": "away", "issuer": f"http://127.0.0.1:{free_port()}"},
        ]
        providers = json.dumps([{**titles, **one} for one in (gansu, *others)])
        with serving(folder / "api", oidc_providers=providers, **settings) as running:
            yield running, honest, dishonest
            assert [line for line in running.log() if line["level"] == "ERROR"] == []
            assert SECRET not in running.log_path.read_text()


class Client:
    """A browser or app: it keeps verifier, nonce and state, and opens the provider's page."""

    def __init__(self, url):
        self.url = url
        self.verifier = secrets.token_urlsafe(40)
        self.nonce, self.state = secrets.token_hex(8), secrets.token_hex(8)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def page(self, name):
        asked = {
            "redirect_uri": REDIRECT,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
        }
        listed = httpx.get(f"{self.url}/v1/auth/providers", params=asked, trust_env=False, timeout=20).json()
        return {item["name"]: item["authorization_url"] for item in listed["items"]}[name]

    def consent(self, subject):
        """Open the page, sign in there, and come back with a code."""
        answer = httpx.post(self.page("gansu"), data={"sub": subject}, trust_env=False)
        assert answer.status_code == 302, answer.text
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert answer.headers["location"].startswith(REDIRECT)
        assert back["state"] == [self.state]
        return back["code"][0]

    def body(self, code, provider="gansu", **changed):
        return {
            "grant": "oidc",
            "provider": provider,
            "code": code,
            "code_verifier": self.verifier,
            "redirect_uri": REDIRECT,
            "nonce": self.nonce,
            **changed,
        }

    def sign_in(self, code, provider="gansu", **changed):
        return post(self.url, "/v1/auth/tokens", self.body(code, provider, **changed))

    def made_up(self, kind):
        """A code of the dishonest provider."""
        return f"{kind}:{self.nonce}:{self.challenge}"
