"""Trace context (W3C): what a request carries, its answer gives back; one that carries none is told its new one."""

from starlette.types import Scope


def trace_headers(scope: Scope) -> dict[str, str]:
    """The headers of an answer that belong to the trace of its request."""
    traceparent = scope.get("traceparent")
    return {"traceparent": traceparent} if traceparent else {}
