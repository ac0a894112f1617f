"""Settings, read once from the environment by whoever starts a process and passed on as a value.

The environment variable is ``XINBAN_`` + the field in capitals. docs/operations.md lists them for operators; a test keeps
the two equal.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class OidcProvider(BaseModel):
    """An OpenID Connect provider that residents sign in with (docs/identity.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,29}$", description="what callers name it by; never change it"
    )
    title_zh: str
    title_en: str
    issuer: str = Field(pattern="^https?://")
    client_id: str
    client_secret: SecretStr | None = None
    scopes: tuple[str, ...] = ("openid",)
    assurance_claim: str | None = Field(None, description="claim that says how somebody was identified")
    assurance_values: tuple[str, ...] = Field((), description="its values that count as real_name")
    phone_claim: str | None = Field(None, description="claim with a phone that the provider has verified")


class Settings(BaseSettings):
    """What an operator may set."""

    # A variable that is set to nothing is not set: containers hand on what may be missing.
    model_config = SettingsConfigDict(
        env_prefix="XINBAN_", env_file=None, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str = Field(
        "postgresql:///xinban",
        description="PostgreSQL 15+ with PostGIS 3.3+, as libpq writes it: postgresql://user@host/name",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="Redis 7 or Valkey; unix:///path works too"
    )
    env: Literal["development", "production"] = Field(
        "production", description="development allows what helps to try things out"
    )
    owner_database_url: str | None = Field(
        None,
        description="the same database as the role that owns the tables, for `xinban migrate` and purging; "
        "XINBAN_DATABASE_URL is then a role that may only read and add to the audit record",
    )
    keys: SecretStr | None = Field(
        None, description="keys of encrypted personal data, the current one first: id:suite:base64 …"
    )
    keys_file: str | None = Field(None, description="file with these keys; `xinban keys create` makes one")
    keys_command: str | None = Field(
        None, description="command that prints these keys, as fetched from a key management service"
    )
    audit_days: int = Field(400, ge=183, description="days that the audit record is kept at least")
    sender: Literal["console", "webhook"] = Field(
        "console",
        description="how messages such as one-time codes leave: console logs them, in development only",
    )
    webhook_url: str | None = Field(None, description="where the sender webhook posts messages")
    webhook_secret: SecretStr | None = Field(
        None, validate_default=True, description="key of the signature on what is posted there"
    )
    phone_regions: list[str] = Field(
        ["CN", "HK", "MO", "TW"], description="regions whose mobile phones get one-time codes, as JSON"
    )
    session_days: int = Field(30, ge=1, le=400, description="days without use after which a session ends")
    oidc_providers: list[OidcProvider] = Field(
        [], description="OpenID Connect providers that residents may sign in with, as JSON"
    )
    wechat_app_id: str | None = Field(None, description="AppID of the WeChat mini-program")
    wechat_secret: SecretStr | None = Field(None, description="its AppSecret")
    wechat_url: str = Field("https://api.weixin.qq.com", description="address of WeChat's interface")
    verifier_url: str | None = Field(None, description="where the verifier webhook asks about a document")
    verifier_secret: SecretStr | None = Field(None, description="key of the signature on what is asked there")
    verifier: Literal["checksum", "webhook"] = Field(
        "checksum", description="who confirms names and documents: the form of the number, or a service"
    )
    checksum_gives_real_name: bool | None = Field(
        None, description="whether checksum is enough for the level real_name; unset: in development only"
    )
    pool_size: int = Field(8, ge=1, le=64, description="database connections in each of a process' two pools")
    zone: str = Field("Asia/Shanghai", description="time zone of a site that names none")
    region: str = Field("CN", description="whose announced workdays and holidays apply")
    gcj02_enabled: bool = Field(
        True, description="accept and answer gcj02 and bd09; their formula is unofficial"
    )
    expected_area: str = Field(
        "620171", description="code of the area most sites are expected in; imports warn outside it"
    )
    cors_origins: list[str] = Field(
        [], description='origins allowed to call from a browser, as JSON: ["https://…"]'
    )
    limits: Literal["on", "off"] = Field(
        "on", description="off counts no calls: for load tests, or when a gateway limits them"
    )
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="largest request body accepted")
    max_upload_bytes: int = Field(
        200_000_000, ge=1_000, description="largest file accepted for an import over HTTP"
    )
    upload_timeout_seconds: float = Field(
        900.0, gt=0, description="as request_timeout_seconds, for uploads and whole reports"
    )
    request_timeout_seconds: float = Field(
        10.0, gt=0, description="a request that takes longer is answered 503"
    )
    processes: int = Field(
        1, ge=1, description="server processes on this machine; set by `xinban serve --workers`"
    )
    log_requests: bool = Field(True, description="one JSON line a request")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe line logged"
    )
    ratings_shown_from: int = Field(
        5, ge=1, description="ratings a site needs before its result is published"
    )
    public_url: str = Field(
        "", description="address residents see, for QR codes; empty means the request's own"
    )

    @field_validator("verifier")
    @classmethod
    def _verifier_is_whole(cls, kind: str, given: ValidationInfo) -> str:
        if kind == "webhook" and not (given.data.get("verifier_url") and given.data.get("verifier_secret")):
            raise ValueError("webhook needs XINBAN_VERIFIER_URL and XINBAN_VERIFIER_SECRET")
        return kind

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook(cls, secret: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        """Said when a process starts, not when the first message does not leave."""
        if others.data.get("sender") == "webhook" and (secret is None or not others.data.get("webhook_url")):
            raise ValueError("XINBAN_SENDER=webhook needs XINBAN_WEBHOOK_URL and XINBAN_WEBHOOK_SECRET")
        return secret
