"""All settings, each an environment variable `PERPS_DMA_<NAME>`, or a file of that name where secrets are mounted."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AmqpDsn, Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from worker.bus.amqp.actors import SHIM_USER
from worker.ledger.postgres.url import require_sound
from worker.ledger.sql.database import KINDS, POSTGRES, SQLITE

if TYPE_CHECKING:
    from limits import RateLimitItem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

SECRETS_VARIABLE = "PERPS_DMA_SECRETS"
SECRETS = "/run/secrets"
"""The folder of files, unless the variable names another: where Docker mounts secrets."""


class Settings(BaseSettings):
    """What can be set, with the defaults that `make up` runs on."""

    model_config = SettingsConfigDict(env_prefix="PERPS_DMA_", frozen=True)

    state: Annotated[Path, Field(description="Folder for everything that is written")] = Path(".perps-dma")
    port: Annotated[int, Field(ge=1, le=65535, description="Port of the HTTP shim")] = 8080
    host: Annotated[str, Field(description="Address the HTTP shim listens on")] = "127.0.0.1"
    amqp_url: Annotated[
        AmqpDsn | None, Field(description="A RabbitMQ of yours; without it `up` starts a private one")
    ] = None
    amqp_ca: Annotated[
        Path | None,
        Field(
            description="Who vouches for the broker's certificate (PEM; amqps:// only); the system's authorities "
            "by default"
        ),
    ] = None
    amqp_cert: Annotated[Path | None, Field(description="Our certificate for the broker (PEM)")] = None
    amqp_key: Annotated[Path | None, Field(description="The key of that certificate (PEM)")] = None
    tls_cert: Annotated[Path | None, Field(description="Certificate chain that the HTTP shim serves HTTPS with")] = None
    tls_key: Annotated[Path | None, Field(description="The key of that certificate (PEM)")] = None
    trusted_proxies: Annotated[
        str | None,
        Field(
            description="Addresses whose X-Forwarded-For is believed and whose connections are many clients', "
            "with commas between"
        ),
    ] = None
    http_receive_s: Annotated[
        float, Field(gt=0, le=600, description="How long the head of an HTTP request may take to arrive, and its body")
    ] = 10
    http_requests: Annotated[int, Field(ge=1, description="HTTP requests that may run at once")] = 1_000
    http_requests_of_subject: Annotated[
        int | None, Field(ge=1, description="How many of them may be of one subject; a sixth by default")
    ] = None
    http_readers: Annotated[
        int, Field(ge=1, description="How many may follow the events over HTTP at once, a sixth of them of one subject")
    ] = 200
    http_connections: Annotated[
        int | None,
        Field(
            ge=1,
            description="HTTP connections; by default 4,096, or as many as the limit of open files leaves after "
            "88 others",
        ),
    ] = None
    http_connections_of_address: Annotated[
        int | None, Field(ge=1, description="How many of them may be from one address; half by default")
    ] = None
    shim_user: Annotated[
        str, Field(description="The broker's user that is believed on whose behalf it asks, beside the worker's own")
    ] = SHIM_USER
    accounts: Annotated[
        Path | None, Field(description="Registry of exchange accounts (TOML), beside the sandbox's own")
    ] = None
    sealing_keys: Annotated[
        str | None, Field(description="File of the keys that open sealed credentials, or env:NAME")
    ] = None
    ledger_url: Annotated[
        SecretStr | None,
        Field(
            description="sqlite:///PATH, or postgresql://USER:PASSWORD@HOST[,HOST]/NAME; by default in the state folder"
        ),
    ] = None
    retention_days: Annotated[
        int, Field(ge=1, description="How long finished commands are remembered by their ids")
    ] = 30
    audit_days: Annotated[int, Field(ge=1, description="How long the audit is kept")] = 365
    jwt_secret: Annotated[
        SecretStr | None,
        Field(description="Shared secret of the HTTP tokens, 32 bytes or more; `up` makes one for itself"),
    ] = None
    jwt_public_key: Annotated[Path | None, Field(description="Public keys of the HTTP tokens (PEM) instead")] = None
    jwt_jwks_url: Annotated[str | None, Field(description="Key set of an identity provider (JWKS) instead")] = None
    jwt_jwks_refresh_s: Annotated[float, Field(ge=1, description="How often the key set is fetched again")] = 300
    jwt_algorithms: Annotated[
        frozenset[str] | None,
        NoDecode,
        Field(description="Only these of the algorithms that the key allows, such as RS256,PS256; all by default"),
    ] = None
    jwt_issuer: Annotated[str | None, Field(min_length=1, description="Who must have issued a token (iss)")] = None
    jwt_audience: Annotated[str | None, Field(min_length=1, description="Whom a token must be for (aud)")] = None
    jwt_leeway_s: Annotated[int, Field(ge=0, le=300, description="How far clocks may differ")] = 5
    jwt_role_claim: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Path of the claim that names the roles, such as realm_access.roles; `role` and `roles` "
            "by default",
        ),
    ] = None
    jwt_accounts_claim: Annotated[
        str, Field(min_length=1, description="Path of the claim that limits a token to accounts")
    ] = "accounts"
    jwt_guardrails_claim: Annotated[
        str, Field(min_length=1, description="Path of the claim that limits what the commands of a token may do")
    ] = "guardrails"
    rate_limit: Annotated[
        str | None, Field(description="Requests of a subject over HTTP: 100/second; unlimited by default")
    ] = None
    sandbox_host: Annotated[
        str, Field(description="Address or name that the stand-in venues listen on, and are reached by")
    ] = "127.0.0.1"
    timeout_ms: Annotated[
        int, Field(ge=100, le=600_000, description="How long a command may take, unless it says so itself")
    ] = 10_000
    venue_timeout_ms: Annotated[
        int, Field(ge=100, le=60_000, description="How long one request to a venue may take")
    ] = 5_000
    limit_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Part of each venue's limit by address that is for this worker alone; below about 0.14 "
            "an auto-collection never has room",
        ),
    ] = 1.0
    background_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Part of each venue's limit that snapshots may use; commands and queries have the rest",
        ),
    ] = 0.5
    granted_limits: Annotated[
        dict[str, dict[str, PositiveInt]],
        Field(description='Limits other than documented, in JSON: {"binance": {"papi weight": 9000}}'),
    ] = {}
    markets_reload_s: Annotated[
        int, Field(ge=1, description="How old a venue's list of markets may become before it is loaded again")
    ] = 3_600
    prefetch: Annotated[int, Field(ge=1, le=2_000, description="Messages a worker takes from one queue at once")] = 200
    shards: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Queues over which each operation's commands are split, by account; the same for all "
            "workers and shims",
        ),
    ] = 1
    query_queues: Annotated[
        Literal["classic", "quorum"],
        Field(description="quorum where the broker has several nodes: a classic queue is lost with its node"),
    ] = "classic"
    workers: Annotated[int, Field(ge=1, description="How many workers share the shards; the same for all of them")] = 1
    snapshot_interval_ms: Annotated[
        int, Field(ge=0, description="How often each account's positions are read; 0: after commands only")
    ] = 10_000
    snapshot_floor_ms: Annotated[
        int, Field(ge=0, description="The shortest time between two snapshots of an account that its commands owe")
    ] = 1_000
    snapshot_heartbeat_ms: Annotated[
        int, Field(ge=0, description="How often a snapshot is published at least, though nothing changed; 0: never")
    ] = 60_000
    streams: Annotated[
        Literal["on", "off"], Field(description="on: follow accounts by their venues' private streams, and poll seldom")
    ] = "on"
    snapshot_live_interval_ms: Annotated[
        int, Field(ge=100, description="How often an account's positions are read while its venue pushes its changes")
    ] = 300_000
    snapshot_push_floor_ms: Annotated[
        int, Field(ge=0, description="The shortest time between two reads of an account that pushes ask for")
    ] = 250
    grace_ms: Annotated[int, Field(ge=0, description="How long a stopping worker lets running commands finish")] = (
        20_000
    )
    metrics_port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65534,
            description="Where a worker or shim serves /metrics, /livez and /readyz; `up` gives the shim the next port",
        ),
    ] = None
    metrics_host: Annotated[str, Field(description="Address of that port")] = "127.0.0.1"
    traces: Annotated[
        Literal["off", "otlp"], Field(description="otlp: spans go where OTEL_EXPORTER_OTLP_ENDPOINT says")
    ] = "off"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least level that is logged")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(
            description="auto: text on a terminal, else JSON. `up` keeps logs in STATE/log, 20 MB of each "
            "program and four older ones"
        ),
    ] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The first that has a setting decides: the program, the environment, a file."""
        folder = Path(os.environ.get(SECRETS_VARIABLE, SECRETS))
        files = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder.is_dir() else ()
        return (init_settings, env_settings, *files)

    @field_validator("ledger_url")
    @classmethod
    def _is_a_ledger(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(KINDS):
            raise ValueError(f"must begin with {' or '.join(KINDS)}")
        if url is not None and url.get_secret_value().startswith(POSTGRES):
            try:
                require_sound(url.get_secret_value())
            except ValueError as error:
                remedy = "write what is special in a name or password as in URLs, # as %23 for one"
                raise ValueError(f"is no URL ({error}); {remedy}") from None
        return url

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            try:
                amount = _parsed(rate).amount
            except ValueError:
                amount = 0
            if amount < 1:
                raise ValueError("must be a number by a time, such as 100/second or 6000/minute")
        return rate

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_guarded(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if url is not None and not (parts.hostname and (local or parts.scheme == "https")):
            raise ValueError("must be an https:// URL (http:// only on loopback)")
        return url

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _are_separated(cls, names: Any) -> Any:
        return {name.strip() for name in names.split(",") if name.strip()} if isinstance(names, str) else names

    @property
    def rate(self) -> "RateLimitItem | None":
        """How often a token may ask."""
        return None if self.rate_limit is None else _parsed(self.rate_limit)

    @property
    def up_file(self) -> Path:
        """Where a running `up` says how to reach it."""
        return self.state / "up.json"

    @property
    def sandbox_file(self) -> Path:
        """Where the sandbox lists its base URLs and the accounts' keys."""
        return self.state / "sandbox.json"

    @property
    def ledger(self) -> str:
        """The URL of the ledger. It may hold a password."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        return f"{SQLITE}{(self.state / 'ledger.db').absolute()}"

    @property
    def jwt_secret_file(self) -> Path:
        """Where `up` keeps the secret it made."""
        return self.state / "jwt.secret"


def _parsed(rate: str) -> "RateLimitItem":
    """A rate as it is written. Raises ValueError. What reads it is brought in where there is one."""
    from limits import parse

    return parse(rate)
