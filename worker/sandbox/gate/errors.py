"""Gate's refusals: HTTP status and message by label (APIv4 documentation, "Error handling")."""

from collections.abc import Mapping
from typing import NamedTuple

from worker.sandbox.http import Answer, json_answer


class Refusal(NamedTuple):
    """How a label is answered."""

    status: int
    message: str


REFUSALS: Mapping[str, Refusal] = {
    "CONTRACT_NOT_FOUND": Refusal(400, "contract {} not found"),
    "FORBIDDEN": Refusal(403, "Request API key does not have {} permission"),
    "INSUFFICIENT_AVAILABLE": Refusal(400, "available balance not enough"),
    "INVALID_KEY": Refusal(401, "Invalid key provided"),
    "INVALID_PARAM_VALUE": Refusal(400, "Invalid parameter `{}` with value: {}"),
    "INVALID_REQUEST_BODY": Refusal(400, "Invalid request body"),
    "INVALID_SIGNATURE": Refusal(401, "Signature mismatch"),
    "LEVERAGE_TOO_HIGH": Refusal(400, "leverage limit {}"),
    "LEVERAGE_TOO_LOW": Refusal(400, "leverage limit {}"),
    "METHOD_NOT_ALLOWED": Refusal(405, "Method {} not allowed"),
    "MISSING_REQUIRED_HEADER": Refusal(400, "Missing required header: {}"),
    "MISSING_REQUIRED_PARAM": Refusal(400, "Missing required parameter: {}"),
    "NOT_FOUND": Refusal(404, "Request path {} not found"),
    "NO_CHANGE": Refusal(400, "No change is made"),
    "ORDER_PENDING": Refusal(400, "there are pending orders"),
    "POSITION_DUAL_MODE": Refusal(400, "not allowed in dual mode"),
    "POSITION_HOLDING": Refusal(400, "there are holding positions"),
    "POSITION_NOT_FOUND": Refusal(400, "position not found"),
    "READ_ONLY": Refusal(403, "API key is read-only"),
    "REQUEST_EXPIRED": Refusal(403, "gap between request Timestamp and server time exceeds 60"),
    "TOO_MANY_REQUESTS": Refusal(429, "Request Rate limit Exceeded ({})"),
    "USER_NOT_FOUND": Refusal(400, "please transfer funds first to create futures account"),
}


class Refused(Exception):
    """The venue refuses a request, with its own label; `arguments` fill the label's message."""

    def __init__(self, label: str, *arguments: object) -> None:
        self.label = label
        self.status, template = REFUSALS[label]
        self.message = template.format(*arguments)
        super().__init__(f"{label}: {self.message}")

    def answer(self, headers: Mapping[str, str] | None = None) -> Answer:
        """The refusal as it is sent."""
        return json_answer({"label": self.label, "message": self.message}, self.status, headers)
