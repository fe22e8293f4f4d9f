"""The documentation: built strictly, asking nobody else for anything, short where it should be, and run by tests."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.monitoring_files import RULES
from tests.support.pages import DOCS, OUTPUT, PAGES, README, ROOT, Block, blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]
RUNBOOKS = DOCS / "how-to" / "runbooks.md"
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "use": "href",
}
"""What a browser fetches by itself, by the tag and its attribute."""


class Fetched(HTMLParser):
    """What a page has a browser fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = LOADED.get(tag)
        self.addresses |= {value for name, value in attrs if name == wanted and value}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    config = ROOT / "deploy" / "mkdocs.yml"
    built = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "-f", config, "-d", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_has_every_page(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert len(pages) > 25
    assert [page for page in sorted(pages) if not (site / page).is_file()] == []


def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    pages = [page.read_text() for page in site.rglob("*.html")]
    asked = {address for page in pages for address in Fetched(page).addresses}
    assert any(address.endswith(".css") for address in asked)
    assert {address for address in asked if re.match(r"(?:\w+:)?//", address)} == set()


def test_style_sheets_ask_no_other_host_for_anything(site: Path) -> None:
    sheets = [sheet.read_text() for sheet in site.rglob("*.css")]
    assert sheets
    assert [address for sheet in sheets for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)]+)\)", sheet)] == []


def test_the_readme_has_150_lines_at_most() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", ["publish.py", "subscribe.py"])
def test_publishing_and_subscribing_take_ten_lines_at_most(name: str) -> None:
    [block] = [block for block in blocks(README) if block.name == name]
    assert len(block.text.strip().splitlines()) - 1 <= 10


def test_the_figures_of_the_readme_are_rows_of_the_whole_tables() -> None:
    [figures] = re.findall(r"(?ms)^## Figures$(.*?)^## ", README.read_text())
    rows = [line for line in figures.splitlines() if line.startswith("| ")]
    whole = (DOCS / "benchmarks.md").read_text().splitlines()
    assert len(rows) > 8
    assert [row for row in rows if row not in whole] == []


def test_a_link_of_the_readme_leads_somewhere() -> None:
    linked = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", README.read_text())
    assert len(linked) > 20
    assert [path for path in linked if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_output_or_run_or_says_why_it_is_not(block: Block) -> None:
    assert block.language, "a block says its language: `text` is what nobody types"
    if block.language == OUTPUT:
        assert not block.mark, "what is printed is not run"
    else:
        assert block.runs or block.run_by or len(block.shown_because) > 15, f"`{block.mark}` says nothing of it"
    assert not block.runs or block.language == "sh"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_hidden_in_an_indentation(page: Path) -> None:
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text())
    assert re.findall(r"(?m)\n\n    +(?![-*\d|<]).*", text) == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.run_by], ids=str)
def test_a_test_that_runs_a_block_is_there_and_knows_of_it(block: Block) -> None:
    source = (ROOT / block.run_by).read_text().replace("\\.", ".")
    assert (block.name and block.name in source) or block.page.name in source


def test_a_block_that_says_nothing_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Words.\n\n```sh\nrm -rf /\n```\n\n<!-- runs -->\n```sh\ntrue\n```\n")
    silent, running = blocks(page)
    assert (silent.line, silent.mark, silent.runs) == (3, "", False)
    assert (running.line, running.text, running.exit_code) == (8, "true\n", 0)


def test_every_alert_has_a_runbook_that_it_names() -> None:
    sections = re.findall(r"(?m)^## (PerpsDma\w+)$", RUNBOOKS.read_text())
    assert sorted(sections) == sorted(rule["alert"] for rule in RULES)
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"{RUNBOOKS.relative_to(ROOT)}#{rule['alert'].lower()}"


def test_a_runbook_says_how_urgent_its_alert_is() -> None:
    sections = dict(re.findall(r"(?m)^## (PerpsDma\w+)\n\n\*(\w+)\.\*", RUNBOOKS.read_text()))
    assert sections == {rule["alert"]: rule["labels"]["severity"].capitalize() for rule in RULES}
