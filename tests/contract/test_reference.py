"""The pages of the reference: as fresh as the code that they are written out of, and complete."""

import re

import pytest

from reference.log_events import rows_of
from reference.pages import FOLDER, LOG_EVENTS, pages
from schemas.operations import OPERATIONS
from schemas.outcomes import ErrorCode
from tests.support.pages import DOCS
from worker.accounts.account import Account
from worker.accounts.networks import LACKS
from worker.config.settings import Settings
from worker.console.desk.margin_settings import EXIT_CODES

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_has_it(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name], "`make schemas` writes it anew"


def test_there_is_no_page_that_nobody_writes() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == PAGES.keys()


def test_every_setting_is_listed_once_with_its_meaning() -> None:
    rows = re.findall(r"(?m)^\| `PERPS_DMA_(\w+)` \|.*\| (.*?) ?\|$", PAGES["settings.md"])
    assert sorted(name.lower() for name, _ in rows) == sorted(Settings.model_fields)
    assert [name for name, meaning in rows if not meaning] == []


def test_every_setting_has_a_section() -> None:
    assert "## More" not in PAGES["settings.md"], "say in `reference.settings` where it belongs"


def test_every_operation_and_every_error_is_listed() -> None:
    assert set(re.findall(r"(?m)^### (\w+)$", PAGES["operations.md"])) >= OPERATIONS.keys()
    assert set(re.findall(r"(?m)^\| `(\w+)` \| \d{3} \|", PAGES["errors.md"])) == set(ErrorCode)


def test_every_outcome_is_explained_with_its_exit_code() -> None:
    text = (DOCS / "concepts" / "outcomes.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \| \d{3} \| (\d) \|", text)
    assert [(name, int(code)) for name, code in rows] == list(EXIT_CODES.items())


def test_every_field_of_an_account_is_explained() -> None:
    fields = PAGES["accounts.md"].partition("\n## ")[0]
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \| (.*?) ?\|$", fields))
    assert rows.keys() == set(Account.model_fields) - {"id", "base_url"}
    assert [name for name, meaning in rows.items() if not meaning] == []


def test_every_network_is_listed_with_what_it_lacks() -> None:
    rows = re.findall(r"(?m)^\| (\w+) \| `(\w+)` \| (.*) \|$", PAGES["accounts.md"])
    assert rows[1:] == [(exchange, network, lacks) for (exchange, network), lacks in LACKS.items()]


def test_every_log_event_says_what_it_means() -> None:
    rows = rows_of(LOG_EVENTS.read_text())
    assert len(rows) > 90
    assert [key for key, row in rows.items() if not row.meaning] == []
