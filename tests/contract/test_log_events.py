"""What is logged can be read out of the source, so that the page of log events has all of it."""

from pathlib import Path

import pytest

from reference.log_events import TRACEBACK, Event, events_table, found_in, logged, rows_of

LOGGER = "log = structlog.get_logger(__name__)\n"
UNREADABLE = {
    "a sentence": LOGGER + 'log.info("a message is lost")',
    "another case": LOGGER + 'log.info("messageLost")',
    "no literal": LOGGER + "log.info(name)",
    "a name that is put together": LOGGER + 'log.info(f"{name}_lost")',
    "no name": LOGGER + "log.info(count=1)",
    "arguments": LOGGER + 'log.info("message_lost", 1)',
    "no level": LOGGER + 'log.bind(count=1).info("message_lost")',
    "handed on": LOGGER + "tell(log)",
    "a method handed on": LOGGER + "tell(log.info)",
    "a logger on the way": 'structlog.get_logger().info("message_lost")',
    "a logger in a function": 'def tell():\n    log = structlog.get_logger()\n    log.info("message_lost")',
}


@pytest.mark.parametrize("source", UNREADABLE.values(), ids=UNREADABLE)
def test_what_can_not_be_listed_is_noticed(source: str) -> None:
    with pytest.raises(ValueError, match="line "):
        list(logged(source))


def test_names_levels_and_fields_are_read() -> None:
    source = LOGGER + 'log.warning("message_lost", count=1, **more)\nlog.exception("handler_failed", account=one)'
    assert list(logged(source)) == [
        Event("message_lost", "warning", frozenset({"count"}), has_more=True),
        Event("handler_failed", "error", frozenset({"account", TRACEBACK}), has_more=False),
    ]


def test_a_new_event_gets_a_row_and_one_that_is_gone_loses_its_own(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(LOGGER + 'log.info("message_found", count=1)')
    rows = rows_of("| `message_found` | info | | Somebody found it. |\n| `message_lost` | info | | It is gone. |\n")
    assert found_in(tmp_path, rows) == {("message_found", "info"): {"count"}}
    assert "`message_found` | info | `count` | Somebody found it. |" in events_table(found_in(tmp_path, rows), rows)
