"""Sign-in from a WeChat mini-program: the code of ``wx.login`` is exchanged for whom it stands (code2Session).

Source: developers.weixin.qq.com, 小程序登录, GET /sns/jscode2session. Errors come with status 200 and ``errcode``.
"""

import logging
from typing import Any

import httpx
import orjson

from api.identity.errors import ExternalRefused, ProviderAway, UnknownProvider
from api.identity.subjects import ExternalSubject
from core.settings import Settings

log = logging.getLogger(__name__)

NAME = "wechat"
# 40029 no such code, 40163 used before, 41008 missing, 40226 an account that WeChat itself does not trust.
REFUSED = (40029, 40163, 41008, 40226)


class WeChat:
    """One mini-program; without AppID and AppSecret there is none, and nobody signs in this way."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._app_id = settings.wechat_app_id
        self._secret = settings.wechat_secret
        self._address = settings.wechat_url.rstrip("/") + "/sns/jscode2session"
        self._client = client

    @property
    def is_configured(self) -> bool:
        return bool(self._app_id) and self._secret is not None

    async def identify(self, *, code: str) -> ExternalSubject:
        """Whose ``code`` this is. Raises UnknownProvider, ExternalRefused, ProviderAway."""
        if not self._app_id or self._secret is None:
            raise UnknownProvider(
                "可用的登录方式见 GET /v1/auth/providers。", "Those there are: GET /v1/auth/providers."
            )
        asked = {
            "appid": self._app_id,
            "secret": self._secret.get_secret_value(),
            "js_code": code,
            "grant_type": "authorization_code",
        }
        said = await self._ask(asked)
        error, person = said.get("errcode", 0), said.get("openid")
        if error in REFUSED:
            raise ExternalRefused("请重新打开小程序再试。", "Open the mini-program again and try once more.")
        if error != 0 or not isinstance(person, str) or not person:
            raise _away(f"errcode {error}")
        return ExternalSubject(NAME, person)

    async def _ask(self, asked: dict[str, str]) -> dict[str, Any]:
        try:
            answer = await self._client.get(self._address, params=asked)
            answer.raise_for_status()
            said = orjson.loads(answer.content)  # it calls itself text/plain
        except (httpx.HTTPError, httpx.InvalidURL, orjson.JSONDecodeError) as error:
            # Without its cause, whose text holds the address, and that the secret.
            raise _away(type(error).__name__) from None
        if not isinstance(said, dict):
            raise _away("body")
        return said


def _away(reason: str) -> ProviderAway:
    log.warning("sign-in provider away", extra={"provider": NAME, "reason": reason})
    return ProviderAway(
        "请稍后再试，或换一种登录方式。",
        "Try again later, or sign in another way.",
        retry_after_seconds=5,
    )
