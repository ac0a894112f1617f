"""Services outside, as real processes: one that sends text messages, WeChat's code2Session, and a dishonest OpenID provider.

``python -m tests.api.outside text-messages|wechat|openid PORT LOG``. Each request is written to LOG as a line of JSON.
"""

import hmac
import json
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.api.running import ROOT, free_port, wait_until

APP_ID, APP_SECRET = "wx4f4bc4dec97d474b", "f" * 32


@dataclass
class Outside:
    """A service that runs: its address and what it was asked."""

    url: str
    log_path: Path

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]


class _Handler(BaseHTTPRequestHandler):
    log_path: Path

    def answer(self, status: int, body: object, kind: str = "application/json") -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def note(self, **said: object) -> list[str]:
        """Write a request down; all lines so far."""
        with self.log_path.open("a") as log:
            log.write(json.dumps(said) + "\n")
        return self.log_path.read_text().splitlines()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


class TextMessages(_Handler):
    """Answers by the end of the path: ``/ok``, ``/busy-twice``, ``/refuses``, ``/down``, ``/slow``."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        before = [
            line
            for line in self.note(
                path=self.path,
                at=time.time(),
                headers={k.lower(): v for k, v in self.headers.items()},
                body=body,
            )
            if json.loads(line)["path"] == self.path
        ]
        status = {"/ok": 204, "/refuses": 422, "/down": 503, "/busy-twice": 503 if len(before) <= 2 else 200}
        self.answer(status[self.path], {})


class WeChat(_Handler):
    """Answers as WeChat's documents say: status 200, text/plain, ``errcode`` when something is wrong."""

    def do_GET(self):
        parts = urlsplit(self.path)
        asked = dict(parse_qsl(parts.query))
        self.note(path=parts.path, asked=asked)
        code = asked.get("js_code", "")
        if parts.path != "/sns/jscode2session" or asked.get("grant_type") != "authorization_code":
            said = {"errcode": 40002, "errmsg": "invalid grant_type"}
        elif (asked.get("appid"), asked.get("secret")) != (APP_ID, APP_SECRET):
            said = {"errcode": 40125, "errmsg": "invalid appsecret, rid: 6231"}
        elif code.startswith("openid-"):
            said = {"session_key": "tiihtNczf5v6AKRyjwEUhQ==", "openid": code.removeprefix("openid-")}
        elif code == "not-json":
            self.send_response(502)
            self.end_headers()
            return
        else:
            errors = {"used": 40163, "busy": -1, "too-often": 45011, "blocked": 40226}
            said = {"errcode": errors.get(code, 40029), "errmsg": f"{code}, rid: 6231"}
        self.answer(200, said, "text/plain")


class Server(ThreadingHTTPServer):
    """Many may call at once."""

    request_queue_size = 128
    daemon_threads = True


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


class OpenId(_Handler):
    """A provider whose ID tokens are wrong as the code says: ``kind:nonce:PKCE challenge``."""

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())

    @property
    def issuer(self):
        return f"http://{self.headers['host']}"

    def do_GET(self):
        self.note(path=self.path)
        if self.path == "/.well-known/openid-configuration":
            names = {
                "authorization_endpoint": "/page?tenant=1",
                "token_endpoint": "/token",
                "jwks_uri": "/keys",
            }
            self.answer(200, {"issuer": self.issuer, **{k: self.issuer + v for k, v in names.items()}})
        elif self.path == "/other/.well-known/openid-configuration":
            self.answer(200, {"issuer": self.issuer, "token_endpoint": "/token"})
        else:
            keys = {"k1": (RSAAlgorithm, self.key, "RS256"), "e1": (ECAlgorithm, self.curve, "ES256")}
            said = [
                {**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": alg, "use": "sig"}
                for kid, (maker, key, alg) in keys.items()
            ]
            # Key types that we cannot use are passed over.
            self.answer(
                200, {"keys": [*said, {"kty": "EC", "crv": "SM2", "kid": "sm2", "x": "AA", "y": "AA"}]}
            )

    def do_POST(self):
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.note(path=self.path, form=form, authorization=self.headers.get("authorization"))
        kind, nonce, challenge = form["code"].split(":")
        proof = _base64(sha256(form["code_verifier"].encode()).digest()).decode()
        if proof != challenge or kind == "used":
            self.answer(400, {"error": "invalid_grant"})
        elif kind == "secret-changed":
            self.answer(401, {"error": "invalid_client"})
        elif kind == "no-token":
            self.answer(200, {"access_token": "x"})
        elif kind == "broken":
            self.answer(500, {})
        else:
            self.answer(200, {"id_token": self.token(kind, nonce), "access_token": "x"})

    def token(self, kind, nonce):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "xinban", "sub": "resident-1", "iat": now, "exp": now + 300}
        if nonce:
            claims["nonce"] = nonce
        key, algorithm, kid = self.key, "RS256", "k1"
        if kind == "es256":
            key, algorithm, kid = self.curve, "ES256", "e1"
        elif kind == "another-key":
            key = self.other
        elif kind == "unknown-key":
            kid = "k9"
        elif kind == "alg-none":
            key, algorithm = None, "none"
        elif kind == "hs256":  # signed with what everybody can read
            public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            parts = ({"alg": "HS256", "kid": kid}, claims)
            said = b".".join(_base64(json.dumps(part).encode()) for part in parts)
            return (said + b"." + _base64(hmac.digest(public, said, "sha256"))).decode()
        claims.update(
            {
                "another-audience": {"aud": "other"},
                "many-audiences": {"aud": ["xinban", "other"]},
                "another-party": {"aud": ["xinban", "other"], "azp": "other"},
                "this-party": {"aud": ["xinban", "other"], "azp": "xinban"},
                "another-issuer": {"iss": "http://other.example"},
                "late": {"iat": now - 600, "exp": now - 300},
                "early": {"iat": now + 600, "exp": now + 900},
                "another-nonce": {"nonce": "made-up"},
                "no-subject": {"sub": ""},
                "number-subject": {"sub": 7},
            }.get(kind, {})
        )
        return jwt.encode(claims, key, algorithm, headers={"kid": kid})


@contextmanager
def outside(kind: str, log_path: Path) -> Iterator[Outside]:
    """One of the services as a process of its own; stopped at the end."""
    port = free_port()
    log_path.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.api.outside", kind, str(port), str(log_path)], cwd=ROOT
    )
    try:
        wait_until(lambda: listens(port), f"{kind} on port {port}")
        yield Outside(f"http://127.0.0.1:{port}", log_path)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    handler = {"text-messages": TextMessages, "wechat": WeChat, "openid": OpenId}[sys.argv[1]]
    handler.log_path = Path(sys.argv[3])
    Server(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
