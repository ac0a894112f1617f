"""What can go wrong with signing in and sessions. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated, Unavailable


class CodeRefused(Unauthenticated):
    """The code is wrong or no longer good."""

    code = "code-refused"
    title_zh = "验证码不正确或已失效"


class CodeTooSoon(TooMany):
    """A code was sent a moment ago."""

    code = "code-too-soon"
    title_zh = "验证码刚刚发送过"


class TooManyCodes(TooMany):
    """Enough codes were sent to this phone today."""

    code = "too-many-codes"
    title_zh = "今天发送的验证码太多"


class PhoneNotReached(Invalid):
    """Codes are not sent to this number."""

    code = "phone-not-reached"
    title_zh = "无法向该号码发送验证码"


class RefreshRefused(Unauthenticated):
    """The refresh token is not valid."""

    code = "refresh-refused"
    title_zh = "登录已失效"


class RefreshReused(Unauthenticated):
    """This refresh token was used before; the session has ended."""

    code = "refresh-reused"
    title_zh = "登录凭证被重复使用，已退出登录"


class SessionNotFound(NotFound):
    """You have no such session."""

    code = "session-not-found"
    title_zh = "没有这个登录记录"


class UnknownProvider(Invalid):
    """There is no such provider to sign in with."""

    code = "unknown-provider"
    title_zh = "没有这种登录方式"


class ExternalRefused(Unauthenticated):
    """The provider does not confirm this sign-in."""

    code = "external-refused"
    title_zh = "登录未获确认"


class ProviderAway(Unavailable):
    """The provider cannot be asked for the moment."""

    code = "provider-away"
    title_zh = "该登录方式暂时不可用"


class IdentityNotFound(NotFound):
    """You have no such identity."""

    code = "identity-not-found"
    title_zh = "没有绑定该身份"


class IdentityTaken(Conflict):
    """This identity belongs to another account."""

    code = "identity-taken"
    title_zh = "该身份已绑定其他账户"


class PhoneHeld(Conflict):
    """Your account already has another phone."""

    code = "phone-held"
    title_zh = "本账户已绑定其他手机号"


class LastIdentity(Conflict):
    """Without it you could not sign in any more."""

    code = "last-identity"
    title_zh = "这是唯一的登录方式"


class ResidentsOnly(Forbidden):
    """Only residents' accounts have this."""

    code = "residents-only"
    title_zh = "仅限居民账户"
