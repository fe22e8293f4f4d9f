"""Hyperliquid's ways to refuse: a sentence with HTTP 200, or a request that it can't read.

The sentences are those of its documentation and of what users report. Where neither has one, the wording is ours: for
an asset that does not exist, an action that expired, and actions that the sandbox does not carry out. Read 2026-11-29.
"""

from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, json_answer

PLAIN = "text/plain; charset=utf-8"


class HyperliquidRefusal(SandboxRefusal):
    """The venue does not do it, and says so in `answer`."""

    def answer(self) -> HttpResponse:
        """The refusal as it is sent."""
        raise NotImplementedError


class ActionRefused(HyperliquidRefusal):
    """An action that was understood and refused: HTTP 200 and a sentence."""

    def answer(self) -> HttpResponse:
        """The sentence as it is sent."""
        return json_answer({"status": "err", "response": str(self)})


class Unreadable(HyperliquidRefusal):
    """A body that is not of any known shape."""

    def answer(self) -> HttpResponse:
        """HTTP 422 and plain text."""
        return HttpResponse(422, b"Failed to deserialize the JSON body into the target type", PLAIN)


class Broken(HyperliquidRefusal):
    """A question that makes the venue stumble, such as one for a coin that it does not have."""

    def answer(self) -> HttpResponse:
        """HTTP 500 and nothing to go by."""
        return json_answer(None, 500)
