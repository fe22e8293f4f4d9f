"""What stands in a log line of a process, and what never does."""

import json
import subprocess
import sys
from textwrap import dedent

import pytest

PREPARED = """
import logging
import structlog
from worker.config.settings import Settings
from worker.config.logs import configure_logging
configure_logging(Settings(log_format="{log_format}", log_level="debug"), "test")
"""


def logged(code: str, log_format: str = "json") -> str:
    """What a process writes to standard error."""
    program = PREPARED.format(log_format=log_format) + dedent(code)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr


def test_a_line_is_one_json_object_with_its_context() -> None:
    line = json.loads(
        logged("""
            with structlog.contextvars.bound_contextvars(command_id="c-1"):
                structlog.get_logger().info("command_finished", outcome="applied")
        """)
    )
    assert (line["event"], line["outcome"]) == ("command_finished", "applied")
    assert (line["command_id"], line["process"]) == ("c-1", "test")


def test_a_traceback_holds_no_variables() -> None:
    written = logged("""
        secret = "hunter2"
        try:
            1 / 0
        except ZeroDivisionError:
            structlog.get_logger().exception("handler_failed")
    """)
    assert json.loads(written)["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert "hunter2" not in written


def test_libraries_log_in_the_same_form() -> None:
    line = json.loads(logged('logging.getLogger("somebody").warning("%s is low", "disk")'))
    assert (line["event"], line["level"]) == ("disk is low", "warning")


def test_ccxts_debug_lines_with_their_signed_headers_stay_out() -> None:
    assert logged('logging.getLogger("ccxt.base.exchange").debug("Request: %s", {"X-MBX-APIKEY": "hunter2"})') == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_a_client_made_up_adds_no_line_and_steers_no_terminal(log_format: str) -> None:
    written = logged(
        r"""
        made_up = "c-1\n2026-01-01 [info] command_finished \x1b[2J\x85\u2028"
        structlog.get_logger().info("request_rejected", command_id=made_up)
        logging.getLogger("somebody").warning("no %s", made_up)
        """,
        log_format,
    )
    assert len(written.splitlines()) == 2
    assert "\x1b[2J" not in written
    assert "c-1" in written
