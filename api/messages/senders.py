"""How a message leaves: to the log, while developing, or to a webhook of whoever sends text messages for us."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import httpx
import orjson

from core.settings import Settings
from core.signing import signed_headers

log = logging.getLogger(__name__)

WEBHOOK_SECONDS = 5.0
# What the receiver says of the message itself, which no repetition changes.
FINAL = (400, 410, 422)


class NotSent(Exception):
    """The message did not leave; ``failure`` is a short code, ``final`` that trying again is of no use."""

    def __init__(self, failure: str, *, final: bool = False) -> None:
        super().__init__(failure)
        self.failure = failure
        self.final = final


@dataclass(frozen=True, repr=False)
class Outgoing:
    """A message as it leaves. It has no ``repr``: it must not get into a log."""

    id: UUID
    channel: str
    template: str
    recipient: str
    parameters: Mapping[str, str]


class Sender(Protocol):
    """Sends one message. A channel added later (WeChat's subscription messages, a vendor's push) is one more of these."""

    async def send(self, message: Outgoing, *, now: datetime) -> None:
        """Raises NotSent."""

    async def close(self) -> None:
        """Free what it holds."""


class Console:
    """Writes the message into the log, in development only; in production nothing leaves, and the log says why."""

    def __init__(self, settings: Settings) -> None:
        self._is_development = settings.env == "development"

    async def send(self, message: Outgoing, *, now: datetime) -> None:  # noqa: ARG002  a Sender's signature
        if not self._is_development:
            raise NotSent("no-sender")
        log.info(
            "message to %s: %s %s",
            message.recipient,
            message.template,
            " ".join(f"{name}={value}" for name, value in message.parameters.items()),
        )

    async def close(self) -> None:
        """Nothing to free."""


class Webhook:
    """Posts ``{"id", "channel", "template", "to", "parameters"}`` as JSON and expects 2xx.

    Signed by ``core/signing.py`` under the shared secret. ``id`` is the same when a message is sent again: a message
    may come twice.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._client = httpx.AsyncClient(timeout=WEBHOOK_SECONDS)

    async def send(self, message: Outgoing, *, now: datetime) -> None:
        body = orjson.dumps(
            {
                "id": str(message.id),
                "channel": message.channel,
                "template": message.template,
                "to": message.recipient,
                "parameters": dict(message.parameters),
            }
        )
        headers = signed_headers(self._secret, body, now=now)
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotSent(type(error).__name__) from None
        if not answer.is_success:
            raise NotSent(f"http-{answer.status_code}", final=answer.status_code in FINAL)

    async def close(self) -> None:
        await self._client.aclose()


def make_sender(settings: Settings) -> Sender:
    """The sender that ``settings`` name. Raises ValueError when the webhook has no address or no secret."""
    if settings.sender == "console":
        return Console(settings)
    if settings.webhook_url is None or settings.webhook_secret is None:
        raise ValueError("XINBAN_SENDER=webhook needs XINBAN_WEBHOOK_URL and XINBAN_WEBHOOK_SECRET")
    return Webhook(settings.webhook_url, settings.webhook_secret.get_secret_value())
