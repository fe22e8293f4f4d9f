"""`/console`: the page of the console, its files, and what the page has to know of its token.

The files are plain ES modules and one style sheet, read once. What they show they ask of the same API as everybody,
with the token that the page was given; the page itself knows nothing and needs no token.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Annotated

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from schemas import ROUTES, Operation, Success
from schemas.base import Milliseconds, WireModel
from worker.messages.wire import encode
from worker.runtime.clock import now
from worker.shim.auth.access import AccessControl
from worker.shim.auth.claims import Actor
from worker.shim.kit.envelope import JSON, HttpRefusal
from worker.shim.kit.trace import trace_headers

CONSOLE_PATH = "/console"

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
)
"""Of the files by their endings; no other file is served."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
"""Nothing inline, nothing from elsewhere, and no text that becomes markup: not even our own modules may make any."""


class Session(WireModel):
    """Whom a token speaks for, so that the page shows what it may do, and nothing that it may not."""

    subject: str | None
    roles: tuple[str, ...]
    accounts: Annotated[tuple[str, ...] | None, Field(description="Null where it is limited to none")]
    operations: Annotated[tuple[str, ...], Field(description="What it may ask for, by the names of the operations")]
    time: Annotated[Milliseconds, Field(description="The shim's clock, UTC ms: ages are counted by it")]


def session_of(actor: Actor) -> Session:
    """What a token may do, by the table of operations."""
    return Session(
        subject=actor.subject,
        roles=tuple(sorted(actor.roles)),
        accounts=None if actor.accounts is None else tuple(sorted(actor.accounts)),
        operations=tuple(row.name for row in ROUTES if actor.roles & row.roles and not _is_about_more(row, actor)),
        time=now(),
    )


def _is_about_more(operation: Operation, actor: Actor) -> bool:
    return operation.tells_of_all and actor.accounts is not None


def _read(folder: Traversable, under: str = "") -> dict[str, bytes]:
    """The files of a folder and its folders, by their paths."""
    found: dict[str, bytes] = {}
    for entry in folder.iterdir():
        path = f"{under}{entry.name}"
        if entry.is_dir():
            found |= _read(entry, f"{path}/")
        elif path.rpartition(".")[2] in MEDIA_TYPES:
            found[path] = entry.read_bytes()
    return found


class ConsoleFiles:
    """Answers with the page and its files, to whoever has the last version with nothing."""

    def __init__(self) -> None:
        self._contents = _read(files("worker.shim.console").joinpath("page"))
        self._marks = {path: f'"{hashlib.sha256(body).hexdigest()[:32]}"' for path, body in self._contents.items()}

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return self._answer("index.html", request)

    async def asset(self, request: Request) -> Response:
        """One of its files."""
        return self._answer(request.path_params["path"], request)

    def _answer(self, path: str, request: Request) -> Response:
        if path not in self._contents:
            raise HTTPException(404)
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": self._marks[path]}
        if request.headers.get("if-none-match") == self._marks[path]:
            return Response(status_code=304, headers=headers)
        return Response(self._contents[path], 200, headers, MEDIA_TYPES[path.rpartition(".")[2]])


def console_routes(gate: AccessControl) -> list[BaseRoute]:
    """The page, its files, and its session."""
    served = ConsoleFiles()

    async def session(request: Request) -> Response:
        try:
            actor = await gate.admit(request)
        except HttpRefusal as refusal:
            return gate.refused(refusal, request, "console")
        envelope = Success(message="Success", data=session_of(actor))
        return Response(encode(envelope), 200, trace_headers(request.scope), JSON)

    return [
        Route(CONSOLE_PATH, served.page),
        Route(f"{CONSOLE_PATH}/session", session),
        Route(f"{CONSOLE_PATH}/page/{{path:path}}", served.asset),
    ]
