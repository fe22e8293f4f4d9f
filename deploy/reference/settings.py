"""Every setting, by what it is about."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic.fields import FieldInfo

from reference.markdown import code, codes, page, table
from worker.config.settings import SECRETS, SECRETS_VARIABLE, Settings

PREFIX = "PERPS_DMA_"

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Where things are": ("state", "port", "host", "accounts", "sealing_keys", "ledger_url", "sandbox_host"),
        "Broker": ("amqp_", "shim_user", "prefetch", "shards", "workers", "query_queues"),
        "Commands": ("timeout_ms", "venue_timeout_ms", "grace_ms", "retention_days", "audit_days"),
        "Venues' limits and markets": ("limit_share", "background_share", "granted_limits", "markets_"),
        "Snapshots and streams": ("snapshot_", "streams"),
        "Tokens": ("jwt_",),
        "HTTP": ("http_", "rate_limit", "trusted_proxies", "tls_", "console"),
        "Watching it": ("metrics_", "traces", "log_"),
    }
)
"""What a section is about, and the settings that it has: whole names, or how they begin."""

REST = "More"

INTRODUCTION = f"""\
Every setting, its default and what it means. Each is an environment variable, or a file of that name in the folder
that `{SECRETS_VARIABLE}` names (`{SECRETS}` without it), where Docker and Kubernetes mount secrets; the environment
comes first. One that can't be used ends the start with its name and the reason. `make up` takes `PORT=` and `STATE=`
besides.

OpenTelemetry's own variables (`OTEL_*`) and `SSL_CERT_FILE` count as their libraries document."""


def settings_page() -> str:
    """The page."""
    return page("Settings", INTRODUCTION, *_sections())


def _sections() -> Iterator[str]:
    header = ("variable", "default", "may be", "meaning")
    for title in (*GROUPS, REST):
        rows = [_row(name, field) for name, field in Settings.model_fields.items() if _group(name) == title]
        if rows:
            yield f"## {title}"
            yield table(header, rows)


def _group(name: str) -> str:
    """The section of a setting. The longest beginning decides: `port` is no `metrics_port`."""
    fitting = [
        (len(beginning), title)
        for title, beginnings in GROUPS.items()
        for beginning in beginnings
        if name == beginning or (beginning.endswith("_") and name.startswith(beginning))
    ]
    return max(fitting, default=(0, REST))[1]


def _row(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    return code(PREFIX + name.upper()), _default(field.default), _allowed(name), field.description or ""


def _default(value: Any) -> str:
    return "none" if value is None or value == {} else code(f"{value:g}" if isinstance(value, float) else value)


def _allowed(name: str) -> str:
    """What a value may be, as the schema has it."""
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][name]
    of = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    if "enum" in of:
        return codes(of["enum"])
    least = of.get("minimum", of.get("exclusiveMinimum"))
    most = of.get("maximum")
    if of.get("type") not in ("integer", "number"):
        return _KINDS.get(of.get("format", ""), _KINDS.get(of.get("type", ""), "text"))
    above = "more than " if "exclusiveMinimum" in of else ""
    kind = "" if of["type"] == "integer" else "a number, "
    return f"{kind}{above}{least:g} to {most:,}" if most is not None else f"{kind}{least:,} or more"


_KINDS: Mapping[str, str] = MappingProxyType(
    {"path": "a path", "uri": "a URL", "object": "JSON", "array": "words with commas", "string": "text"}
)
