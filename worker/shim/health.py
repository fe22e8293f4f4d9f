"""Whether the process lives, and whether requests would be taken."""

from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from worker.shim.caller import Caller
from worker.shim.envelope import JSON
from worker.shim.gate import Gate
from worker.shim.readiness import Probe

NO_KEYS = (
    "the identity provider has not told the keys of its tokens yet; "
    "see that PERPS_DMA_JWT_JWKS_URL is right and can be reached"
)


def _said(status: int, facts: dict[str, object]) -> Response:
    return Response(orjson.dumps(facts), status, media_type=JSON)


def health_routes(caller: Caller, gate: Gate) -> list[Route]:
    """`/healthz` and `/readyz`."""
    probe = Probe(caller)

    async def healthz(_: Request) -> Response:
        return _said(200, {"alive": True})

    async def readyz(_: Request) -> Response:
        found = await probe.readiness()
        if found.is_ready and not await gate.is_open():
            found = replace(found, reason=NO_KEYS)
        return _said(200 if found.is_ready else 503, found.facts())

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
