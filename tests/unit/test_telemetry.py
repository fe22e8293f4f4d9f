"""What stands in a log line of a process, and what never does."""

import json
import subprocess
import sys
from textwrap import dedent

PREPARED = """
import logging
import structlog
from worker.settings import Settings
from worker.telemetry import configure_logging
configure_logging(Settings(log_format="json", log_level="debug"), "test")
"""


def logged(code: str) -> str:
    """What a process writes to standard error."""
    program = PREPARED + dedent(code)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr


def test_a_line_is_one_json_object_with_its_context() -> None:
    line = json.loads(
        logged("""
            with structlog.contextvars.bound_contextvars(command_id="c-1"):
                structlog.get_logger().info("done", outcome="applied")
        """)
    )
    assert (line["event"], line["outcome"], line["command_id"], line["process"]) == ("done", "applied", "c-1", "test")


def test_a_traceback_holds_no_variables() -> None:
    written = logged("""
        secret = "hunter2"
        try:
            1 / 0
        except ZeroDivisionError:
            structlog.get_logger().exception("fault")
    """)
    assert json.loads(written)["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert "hunter2" not in written


def test_libraries_log_in_the_same_form() -> None:
    line = json.loads(logged('logging.getLogger("somebody").warning("%s is low", "disk")'))
    assert (line["event"], line["level"]) == ("disk is low", "warning")


def test_ccxts_debug_lines_with_their_signed_headers_stay_out() -> None:
    assert logged('logging.getLogger("ccxt.base.exchange").debug("Request: %s", {"X-MBX-APIKEY": "hunter2"})') == ""
