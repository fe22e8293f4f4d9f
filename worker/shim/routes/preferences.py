"""Request headers that steer a call: `Prefer` (RFC 7240), `Idempotency-Key` and `Audit-Reason`."""

import re
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import uuid4

from starlette.datastructures import Headers

from schemas.base import Milliseconds
from schemas.control import ENCODED_WHY, LONGEST_WHY
from schemas.problems import invalid_request
from worker.shim.kit.envelope import HttpRefusal

LONGEST_WAIT_S = 600

_PREFERENCE = re.compile(r'\s*([\w-]+)\s*(?:=\s*"?([^",;]*)"?)?')
_KEY = re.compile(r"[!-~]{1,128}")
_WHY = re.compile(ENCODED_WHY)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a client prefers, as far as we know it."""

    respond_async: bool = False
    wait_s: int | None = None

    def timeout_ms(self, usual: Milliseconds) -> Milliseconds:
        """How long the request may take."""
        return usual if self.wait_s is None else self.wait_s * 1000

    @property
    def applied(self) -> dict[str, str]:
        """The header that tells which preferences were honoured."""
        named = ["respond-async"] if self.respond_async else []
        named += [] if self.wait_s is None else [f"wait={self.wait_s}"]
        return {"Preference-Applied": ", ".join(named)} if named else {}


def preferences(headers: Headers, *, is_command: bool) -> Preferences:
    """The preferences of a request. What can't be understood is ignored, as RFC 7240 asks; the first of a name counts.

    Only a command can be answered before it is done, for the answer is all there is to a query.
    """
    if "prefer" not in headers:
        return Preferences()
    named: dict[str, str] = {}
    for preference in ",".join(headers.getlist("prefer")).split(","):
        if found := _PREFERENCE.match(preference):
            named.setdefault(found[1].lower(), (found[2] or "").strip())
    wait = named.get("wait", "")
    seconds = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else 0
    return Preferences(
        respond_async=is_command and "respond-async" in named,
        wait_s=min(seconds, LONGEST_WAIT_S) if seconds else None,
    )


def command_id(headers: Headers) -> str:
    """The client's own id of the command, or a new one. Raises HttpRefusal for an id that can't be one."""
    key = headers.get("idempotency-key")
    if key is None:
        return str(uuid4())
    if not _KEY.fullmatch(key):
        problem = "must be 1 to 128 visible ASCII characters, such as a UUID"
        raise HttpRefusal(invalid_request([{"field": "Idempotency-Key", "problem": problem}]))
    return key


def audit_reason(headers: Headers) -> str | None:
    """Why the client wants a command, if it says; percent-encoded (RFC 3986). Raises HttpRefusal for what can't be."""
    told = headers.get("audit-reason")
    if told is None:
        return None
    if not _WHY.fullmatch(told):
        problem = f"must be 1 to {LONGEST_WHY} characters on one line, percent-encoded (RFC 3986)"
        raise HttpRefusal(invalid_request([{"field": "Audit-Reason", "problem": problem}]))
    return unquote(told)
