"""Verifiers: who says whether a name belongs to a document number.

``checksum`` looks at the form alone and vouches for nothing. ``webhook`` asks a service of the operator's, which asks a
register: ``POST {id, subject {name, id_kind, id_number, phone}, guardian?}``, signed as in ``docs/people.md``, answered
``{"result": "match" | "no_match"}``. Anything else, or silence, is "unavailable", never a match.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import httpx
import orjson

from booking.people.errors import VerifierAway
from booking.people.persons import Facts, Verification
from core.settings import Settings
from core.signing import signed_headers

log = logging.getLogger(__name__)

# Above what a register takes at its busiest, below the 10 s a request may last.
PATIENCE_SECONDS = 5.0
MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``confirmed``: name and number belong together (and, with a guardian, the two belong to each other).

    ``real_name``: sure enough to give the account that level.
    """

    confirmed: bool
    verification: Verification
    real_name: bool


class Verifier(Protocol):
    """Asked outside of any transaction: it may take seconds."""

    async def check(
        self, *, reference: UUID, subject: Facts, guardian: Facts | None = None, now: datetime
    ) -> Verdict:
        """What it says. Raises VerifierAway."""
        ...


@dataclass(frozen=True)
class ChecksumVerifier:
    """The number is well formed, as it was when it was taken in. Knows nothing of guardians."""

    real_name: bool

    async def check(
        self,
        *,
        reference: UUID,  # noqa: ARG002  # both verifiers are called alike
        subject: Facts,  # noqa: ARG002  a Verifier's signature
        guardian: Facts | None = None,
        now: datetime,  # noqa: ARG002  the same
    ) -> Verdict:
        """Always confirmed, except between a guardian and a child."""
        return Verdict(guardian is None, "checksum", self.real_name and guardian is None)


@dataclass(frozen=True)
class WebhookVerifier:
    """Asks ``url``; ``secret`` signs. ``client`` makes an HTTP client."""

    url: str
    secret: str
    client: Callable[[], httpx.AsyncClient]

    async def check(
        self, *, reference: UUID, subject: Facts, guardian: Facts | None = None, now: datetime
    ) -> Verdict:
        """Raises VerifierAway unless the service says "match" or "no_match"."""
        said = {"id": str(reference), "subject": _plain(subject)}
        if guardian is not None:
            said["guardian"] = _plain(guardian)
        body = orjson.dumps(said)
        headers = signed_headers(self.secret, body, now=now)
        try:
            async with self.client() as client:
                answer = await client.post(self.url, content=body, headers=headers)
            result = orjson.loads(answer.content[:MOST_BYTES]) if answer.status_code == 200 else None
        except (httpx.HTTPError, orjson.JSONDecodeError) as error:
            raise self._away(type(error).__name__) from error
        result = result.get("result") if isinstance(result, dict) else None
        if result not in ("match", "no_match"):
            raise self._away(f"status {answer.status_code}")
        return Verdict(result == "match", "webhook", real_name=True)

    def _away(self, why: str) -> VerifierAway:
        log.warning("verifier unavailable", extra={"error": why})
        return VerifierAway(
            "请稍后再试，或携带证件到服务窗口办理。",
            "Try again later, or come to a service desk with your document.",
            retry_after_seconds=30,
        )


def make_verifier(settings: Settings) -> Verifier:
    """The verifier that ``settings`` name; in development ``checksum`` gives real names unless told otherwise."""
    kind: Literal["checksum", "webhook"] = settings.verifier
    if kind == "webhook":
        assert settings.verifier_url is not None
        assert settings.verifier_secret is not None
        return WebhookVerifier(
            settings.verifier_url,
            settings.verifier_secret.get_secret_value(),
            lambda: httpx.AsyncClient(timeout=PATIENCE_SECONDS, follow_redirects=False),
        )
    given = settings.checksum_gives_real_name
    return ChecksumVerifier(settings.env == "development" if given is None else given)


def _plain(facts: Facts) -> dict[str, str | None]:
    return {
        "name": facts.name,
        "id_kind": facts.id_kind,
        "id_number": facts.id_number,
        "phone": facts.phone,
    }
