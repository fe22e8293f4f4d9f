"""What a tool is called with, and what it answers where there is nothing from the service."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from schemas.operations import OPERATIONS
from schemas.outcomes import ErrorCode
from worker.mcp.answers import answer_of, trouble
from worker.mcp.doors import Told, ToolCall
from worker.mcp.server import call_of

BTC = {"exchange_account_id": "a", "symbol": "BTC/USDT:USDT"}
SET = ToolCall(OPERATIONS["set_leverage"], BTC, "c-1", "a test")
UNSAID = b'{"isError": false, "message": "Success", "statusCode": 200, "data": {}}'
"""A success that does not say how the command ended."""

GET = ToolCall(OPERATIONS["get_leverage"], BTC, "q-1", None)


def test_a_reason_goes_beside_a_command_and_into_a_request_that_has_one() -> None:
    command = call_of(OPERATIONS["set_leverage"], {**BTC, "leverage": 10, "reason": "mistyped", "command_id": "c-1"})
    assert (command.fields, command.command_id, command.reason) == ({**BTC, "leverage": 10}, "c-1", "mistyped")
    freeze = call_of(OPERATIONS["unfreeze"], {"all": True, "exchange": None, "reason": "mended"})
    assert freeze.fields == {"all": True, "reason": "mended"}


@pytest.mark.parametrize(
    "arguments", [{}, {"reason": ""}, {"reason": "two\nlines"}, {"reason": 7}, {"reason": "x", "command_id": "a b"}]
)
def test_without_a_reason_or_with_an_id_that_is_none_nothing_is_called(arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        call_of(OPERATIONS["set_leverage"], {**BTC, "leverage": 10, **arguments})


def test_a_query_needs_no_reason_and_keeps_the_id_that_it_asks_about() -> None:
    assert call_of(OPERATIONS["get_command"], {"command_id": "c-1"}).fields == {"command_id": "c-1"}


def test_a_lost_answer_tells_the_id_of_a_command_and_how_to_go_on() -> None:
    command, query = (trouble(call, ErrorCode.TIMEOUT, "the answer was lost") for call in (SET, GET))
    assert command.is_error
    assert command.structured_content["command_id"] == "c-1"
    assert "carries it out once" in command.structured_content["what_to_do"]
    assert command.structured_content["error"] == {"code": "timeout", "retryable": False}
    assert query.structured_content["error"]["retryable"]


def test_what_is_no_answer_of_the_service_is_an_error_and_never_a_success() -> None:
    for body in (b"<html>", b"[]", b"null", b"{}", b'{"isError": null, "x": 1}', UNSAID):
        answer = answer_of(SET, Told(200, body, {}))
        assert answer.is_error, body
        assert answer.structured_content["command_id"] == "c-1"


def test_without_the_extra_it_is_said_what_to_install() -> None:
    lacking = "import sys; sys.modules['mcp'] = None; sys.argv = ['perps-dma', 'mcp']"
    program = f"{lacking}\nfrom worker.app.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "perps-dma: this needs the extra mcp: pip install 'perps-dma[mcp]'\n"
