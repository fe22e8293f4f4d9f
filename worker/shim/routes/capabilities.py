"""`/capabilities`: what can be done on which venue."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schemas import HTTP_PREFIXES, Success
from schemas.operations import CAPABILITIES_PATH
from worker.messages.wire import encode
from worker.shim.auth.access import AccessControl
from worker.shim.kit.envelope import JSON, HttpRefusal
from worker.shim.kit.trace import trace_headers
from worker.venues.port.capabilities import matrix


def capability_routes(gate: AccessControl) -> list[Route]:
    """The matrix under both prefixes. It changes with the program alone, so it is written down once."""
    body = encode(Success(message="Success", data=matrix()))

    async def capabilities(request: Request) -> Response:
        headers = trace_headers(request.scope)
        try:
            await gate.admit(request)
        except HttpRefusal as refusal:
            return gate.refused(refusal, request, "get_capabilities")
        return Response(body, 200, headers, JSON)

    return [Route(prefix + CAPABILITIES_PATH, capabilities) for prefix in HTTP_PREFIXES]
