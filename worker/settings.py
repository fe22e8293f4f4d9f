"""All settings, each an environment variable `PERPS_DMA_<NAME>`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AmqpDsn, Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.execution.ledger.database import KINDS, SQLITE


class Settings(BaseSettings):
    """What can be set, with the defaults that `make up` runs on."""

    model_config = SettingsConfigDict(env_prefix="PERPS_DMA_", frozen=True)

    state: Annotated[Path, Field(description="Folder for everything that is written")] = Path(".perps-dma")
    port: Annotated[int, Field(ge=1, le=65535, description="Port of the HTTP shim on loopback")] = 8080
    host: Annotated[str, Field(description="Address the HTTP shim listens on")] = "127.0.0.1"
    amqp_url: Annotated[
        AmqpDsn | None, Field(description="A RabbitMQ of yours; without it `up` starts a private one")
    ] = None
    accounts: Annotated[
        Path | None, Field(description="Registry of exchange accounts (TOML), beside the sandbox's own")
    ] = None
    ledger_url: Annotated[
        SecretStr | None,
        Field(
            description="sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/NAME; by default a file in the state folder"
        ),
    ] = None
    retention_days: Annotated[
        int, Field(ge=1, description="How long finished commands are remembered by their ids")
    ] = 30
    audit_days: Annotated[int, Field(ge=1, description="How long the audit is kept")] = 365
    jwt_secret: Annotated[SecretStr | None, Field(description="Shared secret of the HTTP tokens, 32 bytes or more")] = (
        None
    )
    timeout_ms: Annotated[
        int, Field(ge=100, le=600_000, description="How long a command may take, unless it says so itself")
    ] = 10_000
    venue_timeout_ms: Annotated[
        int, Field(ge=100, le=60_000, description="How long one request to a venue may take")
    ] = 5_000
    limit_share: Annotated[
        float, Field(gt=0, le=1, description="Part of each venue's limit by address that is for this worker alone")
    ] = 1.0
    granted_limits: Annotated[
        dict[str, dict[str, PositiveInt]],
        Field(description='Limits other than documented, in JSON: {"binance": {"papi weight": 9000}}'),
    ] = {}
    markets_reload_s: Annotated[
        int, Field(ge=1, description="How old a venue's list of markets may become before it is loaded again")
    ] = 3_600
    prefetch: Annotated[int, Field(ge=1, le=2_000, description="Messages a worker takes from one queue at once")] = 200
    shards: Annotated[
        int, Field(ge=1, le=64, description="Queues over which each operation's commands are split, by account")
    ] = 1
    workers: Annotated[int, Field(ge=1, description="How many workers share the shards")] = 1
    snapshot_interval_ms: Annotated[
        int, Field(ge=0, description="How often each account's positions are read; 0: after commands only")
    ] = 10_000
    snapshot_heartbeat_ms: Annotated[
        int, Field(ge=0, description="How often a snapshot is published at least, though nothing changed; 0: never")
    ] = 60_000
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
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Annotated[Literal["auto", "json", "text"], Field(description="auto: text on a terminal, else JSON")] = (
        "auto"
    )

    @field_validator("ledger_url")
    @classmethod
    def _is_a_ledger(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(KINDS):
            raise ValueError(f"must begin with {' or '.join(KINDS)}")
        return url

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
