"""Binance's error codes: HTTP status and message by code.

The messages are those of the error-code pages of USDⓈ-M, COIN-M and Portfolio Margin; `{}` stands for their `%s`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, json_answer


class BinanceErrorReply(NamedTuple):
    """How a code is answered."""

    status: int
    message: str


REFUSALS: Mapping[int, BinanceErrorReply] = {
    -1021: BinanceErrorReply(400, "Timestamp for this request is outside of the recvWindow."),
    -1022: BinanceErrorReply(400, "Signature for this request is not valid."),
    -1023: BinanceErrorReply(400, "Start time is greater than end time."),
    -1100: BinanceErrorReply(400, "Illegal characters found in parameter '{}'; legal range is '{}'."),
    -1101: BinanceErrorReply(400, "Duplicate values for a parameter detected."),
    -1102: BinanceErrorReply(400, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."),
    -1108: BinanceErrorReply(400, "Invalid asset."),
    -1121: BinanceErrorReply(400, "Invalid symbol."),
    -1125: BinanceErrorReply(400, "This listenKey does not exist."),
    -1126: BinanceErrorReply(400, "This asset is not supported."),
    -1127: BinanceErrorReply(400, "More than {} hours between startTime and endTime."),
    -1128: BinanceErrorReply(400, "Combination of optional parameters invalid."),
    -1130: BinanceErrorReply(400, "Data sent for parameter '{}' is not valid."),
    -2008: BinanceErrorReply(400, "Invalid Api-Key ID."),
    -2014: BinanceErrorReply(401, "API-key format invalid."),
    -2015: BinanceErrorReply(401, "Invalid API-key, IP, or permissions for action, request ip: {}"),
    -2018: BinanceErrorReply(400, "Balance is insufficient."),
    -2027: BinanceErrorReply(400, "Exceeded the maximum allowable position at current leverage."),
    -4028: BinanceErrorReply(400, "Leverage {} is not valid"),
    -4046: BinanceErrorReply(400, "No need to change margin type."),
    -4047: BinanceErrorReply(400, "Margin type cannot be changed if there exists open orders."),
    -4048: BinanceErrorReply(400, "Margin type cannot be changed if there exists position."),
    -4049: BinanceErrorReply(400, "Add margin only support for isolated position."),
    -4050: BinanceErrorReply(400, "Cross balance insufficient."),
    -4051: BinanceErrorReply(400, "Isolated balance insufficient."),
    -4054: BinanceErrorReply(400, "Cannot add position margin: position is 0."),
    -4055: BinanceErrorReply(400, "Amount must be positive."),
    -4059: BinanceErrorReply(400, "No need to change position side."),
    -4067: BinanceErrorReply(400, "Position side cannot be changed if there exists open orders."),
    -4068: BinanceErrorReply(400, "Position side cannot be changed if there exists position."),
    -4108: BinanceErrorReply(400, "Symbol is on delivering or delivered or settling or closed or pre-trading."),
    -4144: BinanceErrorReply(400, "Invalid pair"),
    -4150: BinanceErrorReply(400, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    -4161: BinanceErrorReply(400, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    -4165: BinanceErrorReply(400, "Maximum time interval is {} days"),
    -4168: BinanceErrorReply(400, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
    -4411: BinanceErrorReply(400, "Please sign TradFi-Perps agreement contract {}."),
    -5000: BinanceErrorReply(404, "Path {}, Method {} is invalid"),
}

AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
THROTTLED = (
    "Too many requests; current limit is {} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API."
)
BANNED = "Way too many requests; IP banned until {}. Please use the websocket for live updates to avoid bans."


class BinanceRefused(SandboxRefusal):
    """The venue refuses a request, with its own code; `arguments` fill the code's message."""

    def __init__(self, code: int, *arguments: object, message: str | None = None) -> None:
        self.code = code
        self.status, template = REFUSALS[code]
        self.message = (message or template).format(*arguments)
        super().__init__(f"{code}: {self.message}")

    def answer(self) -> HttpResponse:
        """The refusal as it is sent."""
        return error_answer(self.status, self.code, self.message)


def error_answer(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An error in the one shape that Binance has for errors."""
    return json_answer({"code": code, "msg": message}, status, headers)
