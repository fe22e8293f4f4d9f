"""The HTTP shim: the documented routes, mapped onto the bus."""

from collections import defaultdict

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from schemas import HTTP_PREFIXES, OPERATIONS, Operation
from schemas.base import Milliseconds
from worker.shim.access_log import AccessLog
from worker.shim.caller import Caller
from worker.shim.capabilities import capability_routes
from worker.shim.docs import document_routes
from worker.shim.envelope import fault, refuse
from worker.shim.health import health_routes
from worker.shim.observation import Observation
from worker.shim.operations import OperationsEndpoint


def _operation_routes(caller: Caller, secret: SecretStr, timeout_ms: Milliseconds) -> list[Route]:
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS.values():
        by_path[operation.path][operation.method] = operation
    return [
        # A command id may hold a slash, and is told with it.
        Route(prefix + path.replace("}", ":path}"), OperationsEndpoint(by_method, caller, secret, timeout_ms))
        for prefix in HTTP_PREFIXES
        for path, by_method in by_path.items()
    ]


def create_app(caller: Caller, secret: SecretStr, timeout_ms: Milliseconds) -> Starlette:
    """The ASGI application. `timeout_ms` is how long a request may take unless it prefers otherwise."""
    app = Starlette(
        routes=[
            *_operation_routes(caller, secret, timeout_ms),
            *capability_routes(secret),
            *health_routes(caller),
            *document_routes(),
        ],
        middleware=[Middleware(Observation), Middleware(AccessLog)],
        exception_handlers={HTTPException: refuse, Exception: fault},
    )
    # A slash too many is a route that does not exist, and no redirect with an empty body.
    app.router.redirect_slashes = False
    return app
