"""All pages of the reference, by their files."""

from collections.abc import Mapping
from pathlib import Path

from reference.accounts import accounts_page
from reference.command_line import command_line_page
from reference.errors import errors_page
from reference.events import events_page
from reference.log_events import log_events_page
from reference.metrics import metrics_page
from reference.operations import operations_page
from reference.settings import settings_page

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
LOG_EVENTS = FOLDER / "log-events.md"


def pages() -> Mapping[str, str]:
    """The text of each page, by the name of its file."""
    return {
        "operations.md": operations_page(),
        "errors.md": errors_page(),
        "events.md": events_page(),
        "settings.md": settings_page(),
        "accounts.md": accounts_page(),
        "command-line.md": command_line_page(),
        "metrics.md": metrics_page(),
        LOG_EVENTS.name: log_events_page(LOG_EVENTS.read_text()),
    }


def write(folder: Path) -> None:
    """Write them all."""
    for name, text in pages().items():
        (folder / name).write_text(text)
