"""The HTTP shim: the documented routes, mapped onto the bus."""

from collections import defaultdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from schemas import HTTP_PREFIXES, ROUTES, Operation
from worker.shim.auth.access import AccessControl
from worker.shim.auth.slots import Places
from worker.shim.console.routes import console_routes
from worker.shim.http.access_log import AccessLog
from worker.shim.http.limits import Bounded, Bounds
from worker.shim.http.observation import Observation
from worker.shim.http.security_headers import SecurityHeaders
from worker.shim.kit.caller import Caller
from worker.shim.kit.envelope import fault, refuse
from worker.shim.routes.capabilities import capability_routes
from worker.shim.routes.docs import document_routes
from worker.shim.routes.events import Readers, event_routes
from worker.shim.routes.health import health_routes
from worker.shim.routes.operations import OperationsEndpoint


def _operation_routes(caller: Caller, gate: AccessControl, bounds: Bounds) -> list[Route]:
    places = Places(bounds)
    by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in ROUTES:
        by_path[operation.path][operation.method] = operation
    return [
        # A command id may hold a slash, and is told with it.
        Route(prefix + path.replace("}", ":path}"), OperationsEndpoint(by_method, caller, gate, bounds, places))
        for prefix in HTTP_PREFIXES
        for path, by_method in by_path.items()
    ]


def create_app(caller: Caller, gate: AccessControl, bounds: Bounds, events_url: str | None = None) -> ASGIApp:
    """The ASGI application. The events are read from the broker of `events_url`; without it they are not served."""
    app = Starlette(
        routes=[
            *_operation_routes(caller, gate, bounds),
            *capability_routes(gate),
            *(event_routes(caller, gate, events_url, Readers(bounds.readers)) if events_url else ()),
            *health_routes(caller, gate),
            *document_routes(),
            *console_routes(gate),
        ],
        middleware=[Middleware(Observation), Middleware(AccessLog), Middleware(Bounded)],
        exception_handlers={HTTPException: refuse, Exception: fault},
    )
    # A slash too many is a route that does not exist, and no redirect with an empty body.
    app.router.redirect_slashes = False
    return SecurityHeaders(app)
