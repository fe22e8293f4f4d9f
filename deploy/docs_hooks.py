"""What mkdocs does with our pages besides.

A link to a file beside the documentation becomes its path, as a site can't link to it. Each cell of a table knows the
head of its column, which stands beside it where a screen is too narrow for columns.
"""

import posixpath
import re
from itertools import cycle
from typing import Any

LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<target>\.\.?/[^)\s#]*)(?:#[^)\s]*)?\)")
"""A link to a relative path, which may lead out of the folder of pages."""

TABLE = re.compile(r"(?s)<table>.*?</table>")
HEAD = re.compile(r"(?s)<th[^>]*>(.*?)</th>")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """A page whose links to files of the repository are their paths."""
    folder = posixpath.join("deploy/docs", posixpath.dirname(page.file.src_uri))

    def named(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        if path.startswith("deploy/docs/"):
            return link[0]
        text = link["text"].strip("`")
        return f"`{path}`" if text in path else f"{link['text']} (`{path}`)"

    return LINK.sub(named, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """A page whose cells are labelled."""
    return TABLE.sub(lambda table: _labelled(table[0]), html)


def _labelled(table: str) -> str:
    heads = cycle(re.sub(r"<[^>]+>", "", head).replace('"', "") for head in HEAD.findall(table))
    return re.sub(r"<td", lambda _: f'<td data-label="{next(heads)}"', table)
