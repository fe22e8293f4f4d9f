"""What OKX says on a private stream beside data: acknowledgements, refusals, notices, and close frames.

Source: the WebSocket part of the error code page and of the overview (2026-07-13). Close code 4001 follows each refused
login.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from worker.sandbox.kit.refusal import SandboxRefusal

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "60004": "Invalid timestamp",
        "60005": "Invalid API key",
        "60006": "Timestamp request expired",
        "60007": "Invalid sign",
        "60011": "Please log in",
        "60012": "Invalid request: {}",
        "60013": "Invalid args",
        "60014": "Requests too frequent",
        "60018": "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters.",
        "60019": "Invalid op: {}",
        "60024": "Wrong passphrase",
        "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
        "60032": "API key doesn't exist",
    }
)

REFUSED_LOGINS = frozenset({"60004", "60005", "60006", "60007", "60024", "60032"})
"""What a login is refused with: the connection is closed after it."""

LOGIN_FAILED, NO_DATA, KEY_GONE = 4001, 4004, 4007
CLOSES: Mapping[int, str] = MappingProxyType(
    {
        LOGIN_FAILED: "Login failed",
        NO_DATA: "No data received in 30s",
        KEY_GONE: "The API key has been changed or deleted",
    }
)

RESTARTING = "64008"


class OkxStreamRefused(SandboxRefusal):
    """The venue refuses a frame, with its own code; `arguments` fill the code's message."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.code = code
        self.message = REFUSALS[code].format(*arguments)
        super().__init__(f"{code}: {self.message}")


def error(refused: OkxStreamRefused, connection: str) -> dict[str, Any]:
    """A refusal as it is sent."""
    return {"event": "error", "code": refused.code, "msg": refused.message, "connId": connection}


def logged_in(connection: str) -> dict[str, Any]:
    """The answer to a login that was believed."""
    return {"event": "login", "code": "0", "msg": "", "connId": connection}


def about(event: str, arg: Mapping[str, Any], connection: str, identity: str | None) -> dict[str, Any]:
    """The answer to one argument of a subscription, or of the end of one; with the request's id, where it has one."""
    named = {} if identity is None else {"id": identity}
    return named | {"event": event, "arg": dict(arg), "connId": connection}


def connections(event: str, channel: str, count: int, connection: str) -> dict[str, Any]:
    """How many connections of an account listen to a channel: as told, or as too many."""
    return {"event": event, "channel": channel, "connCount": str(count), "connId": connection}


def notice(connection: str) -> dict[str, Any]:
    """The server will be restarted."""
    message = "The connection will soon be closed for a service upgrade. Please reconnect."
    return {"event": "notice", "code": RESTARTING, "msg": message, "connId": connection}
