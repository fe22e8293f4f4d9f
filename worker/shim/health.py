"""Whether the process lives, and whether requests would be taken."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schemas import OPERATIONS
from worker.bus.rpc import BrokerAway
from worker.shim.caller import Caller
from worker.shim.envelope import JSON


def _said(status: int, **facts: object) -> Response:
    return Response(orjson.dumps(facts), status, media_type=JSON)


def health_routes(caller: Caller) -> list[Route]:
    """`/healthz` and `/readyz`."""

    async def healthz(_: Request) -> Response:
        return _said(200, alive=True)

    async def readyz(_: Request) -> Response:
        try:
            consumers = await caller.consumers()
        except BrokerAway as error:
            return _said(503, ready=False, broker=False, missing=list(OPERATIONS), reason=str(error))
        missing = [name for name in OPERATIONS if not consumers.get(name)]
        facts = {"broker": True, "missing": missing, "consumers": {name: consumers.get(name, 0) for name in OPERATIONS}}
        return _said(503 if missing else 200, ready=not missing, **facts)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
