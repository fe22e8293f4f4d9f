"""OKX's error codes: HTTP status and message by code; `{}` stands for a parameter.

Source: the error code page (2026-07-13).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, json_answer


class OkxErrorReply(NamedTuple):
    """How a code is answered."""

    status: int
    message: str


REFUSALS: Mapping[str, OkxErrorReply] = {
    "50000": OkxErrorReply(400, "Body for POST request cannot be empty."),
    "50002": OkxErrorReply(400, "JSON syntax error"),
    "50006": OkxErrorReply(400, 'Invalid Content-Type. Please use "application/JSON".'),
    "50011": OkxErrorReply(429, "Too Many Requests"),
    "50014": OkxErrorReply(400, "Parameter {} can not be empty."),
    "50016": OkxErrorReply(400, "Parameter {} does not match parameter {}"),
    "50025": OkxErrorReply(200, "Parameter {} count exceeds the limit {}."),
    "50102": OkxErrorReply(401, "Timestamp request expired."),
    "50103": OkxErrorReply(401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": OkxErrorReply(401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": OkxErrorReply(401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": OkxErrorReply(401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": OkxErrorReply(401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50111": OkxErrorReply(401, "Invalid OK-ACCESS-KEY."),
    "50112": OkxErrorReply(401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": OkxErrorReply(401, "Invalid signature."),
    "50115": OkxErrorReply(405, "Invalid request method."),
    "50119": OkxErrorReply(401, "API key doesn't exist."),
    "50120": OkxErrorReply(401, "This API key doesn't have permission to use this function."),
    "51000": OkxErrorReply(400, "Parameter {} error"),
    "51001": OkxErrorReply(200, "Instrument ID does not exist."),
    "51008": OkxErrorReply(200, "Order failed. Your available margin is insufficient."),
    "51023": OkxErrorReply(200, "Position does not exist."),
    "59301": OkxErrorReply(200, "Margin adjustment failed for exceeding the max limit."),
    "51010": OkxErrorReply(200, "You can't complete this request under your current account mode."),
    "51015": OkxErrorReply(200, "Instrument ID does not match instrument type."),
    "51039": OkxErrorReply(
        200,
        "Leverage cannot be adjusted for the cross positions of Expiry Futures and Perpetual Futures "
        "under the portfolio margin account.",
    ),
    "51041": OkxErrorReply(200, "Portfolio margin account only supports net mode."),
    "59000": OkxErrorReply(
        200, "Settings failed. Close any open positions, cancel any open orders, and stop trading bots first."
    ),
    "59101": OkxErrorReply(200, "Leverage cannot be changed while there are pending orders with isolated positions."),
    "59102": OkxErrorReply(200, "Leverage exceeds the maximum limit. Please lower the leverage."),
    "59105": OkxErrorReply(200, "Leverage can not be less than {}. Please increase the leverage."),
    "59107": OkxErrorReply(200, "Leverage cannot be changed while there are pending orders under the service."),
    "59108": OkxErrorReply(
        200, "Your account leverage is too low and has insufficient margin. Please increase the leverage."
    ),
    "59111": OkxErrorReply(200, "Leverage query isn't supported in portfolio margin account mode"),
    "59668": OkxErrorReply(
        200,
        "Cancel isolated margin TP/SL, trailing, trigger, and chase orders or stop bots "
        "before adjusting your leverage.",
    ),
    "59669": OkxErrorReply(
        200,
        "Cancel cross-margin TP/SL, trailing, trigger, and chase orders or stop bots before adjusting your leverage.",
    ),
}


class OkxRefused(SandboxRefusal):
    """The venue refuses a request, with its own code; `arguments` fill the code's message."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.code = code
        self.status, template = REFUSALS[code]
        self.message = template.format(*arguments)
        super().__init__(f"{code}: {self.message}")

    def answer(self) -> HttpResponse:
        """The refusal as it is sent."""
        return envelope([], self.code, self.message, self.status)


def envelope(data: list[dict[str, Any]], code: str = "0", message: str = "", status: int = 200) -> HttpResponse:
    """The one shape that all of OKX's answers have."""
    return json_answer({"code": code, "data": data, "msg": message}, status)
