"""Gate's refusals: HTTP status and message by label (APIv4 documentation, "Error handling")."""

from collections.abc import Mapping
from typing import NamedTuple

from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, json_answer


class GateErrorReply(NamedTuple):
    """How a label is answered."""

    status: int
    message: str


REFUSALS: Mapping[str, GateErrorReply] = {
    "CONTRACT_NOT_FOUND": GateErrorReply(400, "contract {} not found"),
    "FORBIDDEN": GateErrorReply(403, "Request API key does not have {} permission"),
    "INSUFFICIENT_AVAILABLE": GateErrorReply(400, "available balance not enough"),
    "INVALID_KEY": GateErrorReply(401, "Invalid key provided"),
    "INVALID_PARAM_VALUE": GateErrorReply(400, "Invalid parameter `{}` with value: {}"),
    "INVALID_REQUEST_BODY": GateErrorReply(400, "Invalid request body"),
    "INVALID_SIGNATURE": GateErrorReply(401, "Signature mismatch"),
    "LEVERAGE_TOO_HIGH": GateErrorReply(400, "leverage limit {}"),
    "LEVERAGE_TOO_LOW": GateErrorReply(400, "leverage limit {}"),
    "METHOD_NOT_ALLOWED": GateErrorReply(405, "Method {} not allowed"),
    "MISSING_REQUIRED_HEADER": GateErrorReply(400, "Missing required header: {}"),
    "MISSING_REQUIRED_PARAM": GateErrorReply(400, "Missing required parameter: {}"),
    "NOT_FOUND": GateErrorReply(404, "Request path {} not found"),
    "NO_CHANGE": GateErrorReply(400, "No change is made"),
    "ORDER_PENDING": GateErrorReply(400, "there are pending orders"),
    "POSITION_CROSS_MARGIN": GateErrorReply(400, "cross-margin position can't update margin"),
    "POSITION_EMPTY": GateErrorReply(400, "empty position"),
    "POSITION_DUAL_MODE": GateErrorReply(400, "not allowed in dual mode"),
    "POSITION_HOLDING": GateErrorReply(400, "there are holding positions"),
    "POSITION_NOT_FOUND": GateErrorReply(400, "position not found"),
    "READ_ONLY": GateErrorReply(403, "API key is read-only"),
    "REQUEST_EXPIRED": GateErrorReply(403, "gap between request Timestamp and server time exceeds 60"),
    "TOO_MANY_REQUESTS": GateErrorReply(429, "Request Rate limit Exceeded ({})"),
    "USER_NOT_FOUND": GateErrorReply(400, "please transfer funds first to create futures account"),
}


class GateRefused(SandboxRefusal):
    """The venue refuses a request, with its own label; `arguments` fill the label's message."""

    def __init__(self, label: str, *arguments: object) -> None:
        self.label = label
        self.status, template = REFUSALS[label]
        self.message = template.format(*arguments)
        super().__init__(f"{label}: {self.message}")

    def answer(self, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """The refusal as it is sent."""
        return json_answer({"label": self.label, "message": self.message}, self.status, headers)
