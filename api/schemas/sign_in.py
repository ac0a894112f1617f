"""What is sent and answered when somebody signs in."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.params import Parameters
from api.schemas.base import In, InstantOut
from core.text import check_storable

XChannel = Annotated[
    Literal["web", "app", "kiosk", "counter", "phone"],
    Header(alias="X-Channel", description="how the caller reaches us; kept with the session"),
]


Device = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(check_storable),
    Field(
        description="what its owner calls the device, as shown in the list of sessions",
        examples=["妈妈的手机"],
    ),
]
Phone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    AfterValidator(check_storable),
    Field(description="with a country code unless it is of mainland China", examples=["13800000001"]),
]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(check_storable)]
SixDigits = Annotated[str, StringConstraints(pattern="^[0-9]{6}$"), Field(examples=["123456"])]


class CodeIn(In):
    """Where to send a code."""

    phone: Phone


class CodeOut(BaseModel):
    """Seconds: until the code is no longer good, until another can be sent."""

    expires_in: int = Field(examples=[300])
    again_in: int = Field(examples=[60])


class _SignIn(In):
    device: Device | None = None


class PhoneCodeGrant(_SignIn):
    """The code that was sent to a phone; the first time makes an account."""

    grant: Literal["phone_code"]
    phone: Phone
    code: SixDigits


class PasswordGrant(_SignIn):
    """Staff: password and second factor; one of `totp` and `recovery_code`."""

    grant: Literal["password"]
    username: Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(check_storable)]
    password: Secret
    totp: SixDigits | None = Field(None, description="six digits of the authenticator app")
    recovery_code: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    device_key: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="as answered last time on this device: wrong tries elsewhere then do not hold it up"
    )


class RefreshGrant(In):
    """The refresh token of the last answer; good once."""

    grant: Literal["refresh"]
    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class OidcGrant(_SignIn):
    """What the provider's page sent back, and the PKCE verifier and nonce it was opened with."""

    grant: Literal["oidc"]
    provider: Annotated[str, StringConstraints(min_length=1, max_length=30)] = Field(
        description="its name in `GET /v1/auth/providers`"
    )
    code: Secret
    code_verifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]
    redirect_uri: Annotated[
        str, StringConstraints(min_length=1, max_length=500), AfterValidator(check_storable)
    ]
    nonce: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class WeChatGrant(_SignIn):
    """The code of `wx.login` in the mini-program."""

    grant: Literal["wechat"]
    code: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(check_storable)]


Grant = Annotated[
    PhoneCodeGrant | PasswordGrant | RefreshGrant | OidcGrant | WeChatGrant, Field(discriminator="grant")
]
# What one may add to an account that is signed in.
Identity = Annotated[PhoneCodeGrant | OidcGrant | WeChatGrant, Field(discriminator="grant")]


class AccountOut(BaseModel):
    """Whose session it is."""

    id: UUID
    kind: Literal["resident", "staff"]


class TokensOut(BaseModel):
    """Send `Authorization: Bearer <access_token>`; before `expires_at` get new ones with the refresh token."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  the name of a scheme
    expires_in: int = Field(description="seconds", examples=[900])
    expires_at: InstantOut
    refresh_token: str
    assurance: Literal["none", "phone", "real_name"]
    account: AccountOut
    session_id: UUID
    device_key: str | None = Field(
        None, description="staff: keep it on this device and send it with the next password"
    )


class ProviderParameters(Parameters):
    """The client's own part of the address to open."""

    redirect_uri: str | None = Field(None, max_length=500)
    state: str | None = Field(None, max_length=500)
    nonce: str | None = Field(None, max_length=200)
    code_challenge: str | None = Field(None, pattern="^[A-Za-z0-9_-]{43}$", description="PKCE, S256")


class ProviderOut(BaseModel):
    """A way to sign in; ``authorization_url`` is null for one that needs no page, or that is away."""

    name: str
    grant: Literal["oidc", "wechat"]
    title_zh: str
    title_en: str
    authorization_url: str | None
    available: bool


class ProvidersOut(BaseModel):
    """All of them."""

    items: list[ProviderOut]
    next: None


class SessionOut(BaseModel):
    """A device that is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: str
    device: str | None
    created_at: InstantOut
    seen_at: InstantOut
    expires_at: InstantOut
    current: bool = Field(description="whether it is the one that asks")


class SessionsOut(BaseModel):
    """The youngest first."""

    items: list[SessionOut]
    next: str | None


class SessionsParameters(Parameters):
    """How much of the list."""

    limit: int = Field(50, ge=1, le=200)
    next: str | None = Field(None, max_length=600)


class IdentityOut(BaseModel):
    """A way in which the account signs in; ``phone`` is masked and has no id."""

    id: UUID | None
    provider: str = Field(examples=["phone"])
    phone: str | None = None
    created_at: InstantOut | None
    used_at: InstantOut | None


class IdentitiesOut(BaseModel):
    """All of them, the phone first."""

    items: list[IdentityOut]
    next: None = None
