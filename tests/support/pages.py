"""The pages of the documentation, the README among them, and the blocks of programs and commands in them.

Each block says in a comment before it what becomes of it:

    <!-- runs -->                          a shell runs it, beside a running `up`, and it ends well
    <!-- exits 5 -->                       the same, and it ends so
    <!-- run by tests/some/test_it.py -->  that test takes it from the page, or does what it says
    <!-- shown: why it is not run -->      nobody runs it
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "deploy" / "docs"
README = ROOT / "README.md"
PAGES = (README, *sorted(DOCS.rglob("*.md")))

OUTPUT = "text"
"""The language of what is printed, which nobody types."""

_BLOCK = re.compile(
    r"(?ms)^(?:(?P<indent> *)<!-- (?P<mark>[^\n]+?) -->\n)?(?P<fence> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$"
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def name(self) -> str:
        """What its first line calls it, of a program or a file."""
        named = re.match(r"(?:#|//) ([\w.]+\.\w+)\n", self.text)
        return named[1] if named else ""

    @property
    def runs(self) -> bool:
        """Whether a shell runs it."""
        return self.exit_code is not None

    @property
    def exit_code(self) -> int | None:
        """How it ends when a shell runs it; None where none does."""
        if self.mark == "runs":
            return 0
        ends = re.fullmatch(r"exits (\d+)", self.mark)
        return int(ends[1]) if ends else None

    @property
    def run_by(self) -> str:
        """The test that runs it, by its path."""
        return self.mark.removeprefix("run by ") if self.mark.startswith("run by ") else ""

    @property
    def shown_because(self) -> str:
        """Why nobody runs it."""
        return self.mark.removeprefix("shown: ") if self.mark.startswith("shown: ") else ""

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """All of a page, in their order."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("fence")) + 1
        yield Block(page, line, found["language"], found["mark"] or "", found["text"])


def named_blocks(page: Path) -> dict[str, str]:
    """The programs and files of a page, by their names."""
    return {block.name: block.text for block in blocks(page) if block.name}
