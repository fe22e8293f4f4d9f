"""Tables and cells of Markdown."""

import re
from collections.abc import Iterable, Sequence

WRITTEN = "<!-- Written by `make schemas` out of the code. What stands here is changed there. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: its title, and its parts with a line between them."""
    return "\n\n".join((f"# {title}", WRITTEN, *(part.strip("\n") for part in parts))) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell in the middle is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |".replace("|  |", "| |") for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"(?<!\\)\|", r"\\|", text)).strip()


def code(text: object) -> str:
    """A value as it is typed."""
    return f"`{text}`"


def codes(texts: Iterable[object], between: str = ", ") -> str:
    """Several of them."""
    return between.join(map(code, texts))


def sentence(text: str) -> str:
    """The same with a capital; what ends in a full stop keeps none."""
    return (text[:1].upper() + text[1:]).removesuffix(".")
