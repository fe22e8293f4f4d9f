"""Binance's error codes: HTTP status and message by code.

The messages are those of the error-code pages of USDⓈ-M, COIN-M and Portfolio Margin; `{}` stands for their `%s`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from worker.sandbox.http import Answer, json_answer


class Refusal(NamedTuple):
    """How a code is answered."""

    status: int
    message: str


REFUSALS: Mapping[int, Refusal] = {
    -1021: Refusal(400, "Timestamp for this request is outside of the recvWindow."),
    -1022: Refusal(400, "Signature for this request is not valid."),
    -1023: Refusal(400, "Start time is greater than end time."),
    -1100: Refusal(400, "Illegal characters found in parameter '{}'; legal range is '{}'."),
    -1101: Refusal(400, "Duplicate values for a parameter detected."),
    -1102: Refusal(400, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."),
    -1108: Refusal(400, "Invalid asset."),
    -1121: Refusal(400, "Invalid symbol."),
    -1126: Refusal(400, "This asset is not supported."),
    -1127: Refusal(400, "More than {} hours between startTime and endTime."),
    -1128: Refusal(400, "Combination of optional parameters invalid."),
    -1130: Refusal(400, "Data sent for parameter '{}' is not valid."),
    -2008: Refusal(400, "Invalid Api-Key ID."),
    -2014: Refusal(401, "API-key format invalid."),
    -2015: Refusal(401, "Invalid API-key, IP, or permissions for action, request ip: {}"),
    -2018: Refusal(400, "Balance is insufficient."),
    -2027: Refusal(400, "Exceeded the maximum allowable position at current leverage."),
    -4028: Refusal(400, "Leverage {} is not valid"),
    -4046: Refusal(400, "No need to change margin type."),
    -4047: Refusal(400, "Margin type cannot be changed if there exists open orders."),
    -4048: Refusal(400, "Margin type cannot be changed if there exists position."),
    -4059: Refusal(400, "No need to change position side."),
    -4067: Refusal(400, "Position side cannot be changed if there exists open orders."),
    -4068: Refusal(400, "Position side cannot be changed if there exists position."),
    -4144: Refusal(400, "Invalid pair"),
    -4150: Refusal(400, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    -4161: Refusal(400, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    -4165: Refusal(400, "Maximum time interval is {} days"),
    -4168: Refusal(400, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
    -5000: Refusal(404, "Path {}, Method {} is invalid"),
}

AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
THROTTLED = (
    "Too many requests; current limit is {} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API."
)
BANNED = "Way too many requests; IP banned until {}. Please use the websocket for live updates to avoid bans."


class Refused(Exception):
    """The venue refuses a request, with its own code; `arguments` fill the code's message."""

    def __init__(self, code: int, *arguments: object, message: str | None = None) -> None:
        self.code = code
        self.status, template = REFUSALS[code]
        self.message = (message or template).format(*arguments)
        super().__init__(f"{code}: {self.message}")

    def answer(self) -> Answer:
        """The refusal as it is sent."""
        return error_answer(self.status, self.code, self.message)


def error_answer(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error in the one shape that Binance has for errors."""
    return json_answer({"code": code, "msg": message}, status, headers)
