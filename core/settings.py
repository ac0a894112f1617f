"""Settings, read once from the environment by whoever starts a process and passed on as a value.

The environment variable is ``XINBAN_`` + the field in capitals. docs/operations.md lists them for operators; a test keeps
the two equal.
"""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set."""

    model_config = SettingsConfigDict(env_prefix="XINBAN_", env_file=None, extra="ignore", frozen=True)

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
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="largest request body accepted")
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
    public_url: str = Field(
        "", description="address residents see, for QR codes; empty means the request's own"
    )
