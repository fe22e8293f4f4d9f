"""Bybit's codes: nearly all are answered with HTTP 200 and a `retCode`.

The messages are those of the "Error Codes" page or of answers as they are known; `{}` stands for what varies.
"""

from collections.abc import Mapping
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, json_answer

MESSAGES: Mapping[int, str] = {
    10001: "params error: {}",
    10002: (
        "invalid request, please check your server timestamp or recv_window param. "
        "req_timestamp[{}],server_timestamp[{}],recv_window[{}]"
    ),
    10003: "API key is invalid.",
    10004: "error sign! origin_string[{}]",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits. Exceeded the API Rate Limit.",
    10017: "Route not found.",
    10028: "The API can only be accessed by unified account users.",
    100028: "The API cannot be accessed by unified account users.",
    110013: "cannot set leverage [{}] gt maxLeverage [{}] by risk limit",
    110024: "You have an existing position, so the position mode cannot be switched",
    110025: "Position mode is not modified",
    110028: "You have existing open orders, so the position mode cannot be switched",
    110029: "The symbol does not support hedge mode",
    110014: "Insufficient available balance to add additional margin",
    110015: "the position is in cross_margin",
    110033: "can't set margin without an open position",
    110046: "Liquidation will be triggered immediately by this adjustment",
    110026: "Cross/isolated margin mode is not modified",
    110038: "Portfolio margin mode is not allowed to change leverage",
    110043: "leverage not modified",
    110074: "This contract is not live",
    3400045: "Set margin mode failed",
}


class BybitRefused(SandboxRefusal):
    """The venue refuses a request with one of its codes; `arguments` fill the code's message."""

    def __init__(self, code: int, *arguments: object, result: Any = None, status: int = 200) -> None:
        self.code = code
        self.message = MESSAGES[code].format(*arguments)
        self.result = {} if result is None else result
        self.status = status
        super().__init__(f"{code}: {self.message}")

    def answer(self, now: Milliseconds) -> HttpResponse:
        """The refusal as it is sent."""
        return enveloped(self.result, now, self.code, self.message, self.status)


def enveloped(result: Any, now: Milliseconds, code: int = 0, message: str = "OK", status: int = 200) -> HttpResponse:
    """The one shape that all of Bybit's answers have."""
    body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now}
    return json_answer(body, status)
