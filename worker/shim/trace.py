"""Trace context (W3C): what a request carries, its answer gives back."""

import re

from starlette.datastructures import Headers

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_headers(headers: Headers) -> dict[str, str]:
    """The headers of an answer that belong to the trace of its request; none where it named no valid one."""
    traceparent = headers.get("traceparent", "")
    return {"traceparent": traceparent} if _TRACEPARENT.fullmatch(traceparent) else {}
