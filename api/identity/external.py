"""The ways to sign in that are not ours: one client for asking outside, and who can be asked."""

from typing import Self

import httpx

from api.identity.oidc import OidcProviders
from api.identity.wechat import WeChat
from core.settings import Settings

# Of a request's own 10 s; discovery, keys and the exchange may each take one of these.
SECONDS = 2.5


class ExternalSignIn:
    """``async with ExternalSignIn(settings) as external``."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.AsyncClient(timeout=SECONDS)
        self.oidc = OidcProviders(settings.oidc_providers, self._client)
        self.wechat = WeChat(settings, self._client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()
