"""Whether the process lives, and whether requests would be taken."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from worker.shim.auth.access import AccessControl
from worker.shim.kit.caller import Caller
from worker.shim.kit.envelope import JSON
from worker.shim.routes.readiness import Probe, Readiness

NO_KEYS = (
    "the identity provider has not told the keys of its tokens yet; "
    "see that PERPS_DMA_JWT_JWKS_URL is right and can be reached"
)


def _said(status: int, facts: dict[str, object]) -> Response:
    return Response(orjson.dumps(facts), status, media_type=JSON)


def readiness_of(caller: Caller, gate: AccessControl) -> Callable[[], Awaitable[Readiness]]:
    """What tells whether requests would be taken: a worker is ready, and there are keys to check tokens with."""
    probe = Probe(caller)

    async def look() -> Readiness:
        found = await probe.readiness()
        if found.is_ready and not await gate.is_open():
            return replace(found, reason=NO_KEYS)
        return found

    return look


def health_routes(caller: Caller, gate: AccessControl) -> list[Route]:
    """`/healthz` and `/readyz`."""
    look = readiness_of(caller, gate)

    async def healthz(_: Request) -> Response:
        return _said(200, {"alive": True})

    async def readyz(_: Request) -> Response:
        found = await look()
        return _said(200 if found.is_ready else 503, found.facts())

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
