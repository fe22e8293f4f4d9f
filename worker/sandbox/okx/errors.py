"""OKX's error codes: HTTP status and message by code, after its error code page; `{}` stands for a parameter."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.sandbox.http import Answer, json_answer


class Refusal(NamedTuple):
    """How a code is answered."""

    status: int
    message: str


REFUSALS: Mapping[str, Refusal] = {
    "50000": Refusal(400, "Body for POST request cannot be empty."),
    "50002": Refusal(400, "JSON syntax error"),
    "50006": Refusal(400, 'Invalid Content-Type. Please use "application/JSON".'),
    "50011": Refusal(429, "Too Many Requests"),
    "50014": Refusal(400, "Parameter {} can not be empty."),
    "50016": Refusal(400, "Parameter {} does not match parameter {}"),
    "50025": Refusal(200, "Parameter {} count exceeds the limit {}."),
    "50102": Refusal(401, "Timestamp request expired."),
    "50103": Refusal(401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": Refusal(401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": Refusal(401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": Refusal(401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": Refusal(401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50111": Refusal(401, "Invalid OK-ACCESS-KEY."),
    "50112": Refusal(401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": Refusal(401, "Invalid signature."),
    "50115": Refusal(405, "Invalid request method."),
    "50119": Refusal(401, "API key doesn't exist."),
    "50120": Refusal(401, "This API key doesn't have permission to use this function."),
    "51000": Refusal(400, "Parameter {} error"),
    "51001": Refusal(200, "Instrument ID does not exist."),
    "51010": Refusal(200, "You can't complete this request under your current account mode."),
    "51015": Refusal(200, "Instrument ID does not match instrument type."),
    "51039": Refusal(
        200,
        "Leverage cannot be adjusted for the cross positions of Expiry Futures and Perpetual Futures "
        "under the portfolio margin account.",
    ),
    "51041": Refusal(200, "Portfolio margin account only supports net mode."),
    "59000": Refusal(
        200, "Settings failed. Close any open positions, cancel any open orders, and stop trading bots first."
    ),
    "59101": Refusal(200, "Leverage cannot be changed while there are pending orders with isolated positions."),
    "59102": Refusal(200, "Leverage exceeds the maximum limit. Please lower the leverage."),
    "59105": Refusal(200, "Leverage can not be less than {}. Please increase the leverage."),
    "59107": Refusal(200, "Leverage cannot be changed while there are pending orders under the service."),
    "59108": Refusal(
        200, "Your account leverage is too low and has insufficient margin. Please increase the leverage."
    ),
    "59111": Refusal(200, "Leverage query isn't supported in portfolio margin account mode"),
}


class Refused(Exception):
    """The venue refuses a request, with its own code; `arguments` fill the code's message."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.code = code
        self.status, template = REFUSALS[code]
        self.message = template.format(*arguments)
        super().__init__(f"{code}: {self.message}")

    def answer(self) -> Answer:
        """The refusal as it is sent."""
        return envelope([], self.code, self.message, self.status)


def envelope(data: list[dict[str, Any]], code: str = "0", message: str = "", status: int = 200) -> Answer:
    """The one shape that all of OKX's answers have."""
    return json_answer({"code": code, "data": data, "msg": message}, status)
