"""The console as it is served: its files alone, nothing inline, nothing from elsewhere, colours that can be read."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from schemas.operations import OPERATIONS
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import bearer, shim_client, token
from worker.shim.console.routes import CONSOLE_PATH, MEDIA_TYPES

PAGE = Path(str(files("worker.shim.console") / "page"))
FILES = {path.relative_to(PAGE).as_posix(): path.read_text() for path in PAGE.rglob("*") if path.is_file()}
MODULES = {name: text for name, text in FILES.items() if name.endswith(".js")}
STYLE = FILES["console.css"]

READABLE = 4.5
"""The contrast that WCAG 2.2 asks of text at level AA."""

VISIBLE = 3.0
"""And of what only has to be seen, such as the mark of what has the focus."""

TEXTS = (
    *(("ink", paper) for paper in ("paper", "sheet", "raised", "stripe")),
    *(("soft", paper) for paper in ("paper", "sheet", "raised", "stripe")),
    *(("doubt", paper) for paper in ("sheet", "doubt-paper", "raised", "paper")),
    *(("danger", paper) for paper in ("sheet", "danger-paper", "raised")),
    ("button-ink", "button"),
)
"""What is written on what."""


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with shim_client(InMemoryCaller(), Authorization="") as client:
        yield client


async def test_the_page_needs_no_token_and_allows_nothing_inline_and_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get(CONSOLE_PATH)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ") if " " in part)
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page.text)
    for part in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert (await client.get(part)).status_code == 200


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_served_as_what_it_is_and_not_twice_to_who_has_it(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get(f"{CONSOLE_PATH}/page/{name}")
    assert answer.text == FILES[name]
    assert answer.headers["content-type"].startswith(MEDIA_TYPES[name.rpartition(".")[2]])
    again = await client.get(f"{CONSOLE_PATH}/page/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["routes.py", "../routes.py", "%2e%2e/routes.py", "none.js", "", "pages"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"{CONSOLE_PATH}/page/{path}")).status_code == 404


@pytest.mark.parametrize("name", MODULES)
def test_a_module_makes_no_markup_of_text_and_brings_nothing_of_others(name: str) -> None:
    text = MODULES[name]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage", text
    )
    for imported in re.findall(r'(?m)^(?:import|export) .*from "([^"]+)";$', text):
        assert imported.startswith(("./", "../"))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


async def test_the_session_tells_what_the_token_may_and_nothing_more() -> None:
    told = {}
    for role in ("viewer", "trader", "admin"):
        async with shim_client(InMemoryCaller(), **bearer(token(role=role))) as client:
            told[role] = (await client.get(f"{CONSOLE_PATH}/session")).json()["data"]
    assert [told[role]["roles"] for role in told] == [["viewer"], ["trader"], ["admin"]]
    assert told["viewer"]["accounts"] is None
    may = {role: set(told[role]["operations"]) for role in told}
    assert may["viewer"].isdisjoint(row.name for row in OPERATIONS.values() if row.is_command)
    assert {"set_leverage", "pm_auto_collect"} <= may["trader"]
    assert not {"freeze", "get_audit"} & may["trader"]
    assert may["trader"] | may["viewer"] | {"freeze", "unfreeze"} <= may["admin"]


async def test_a_token_that_is_limited_to_accounts_is_told_so_and_not_offered_what_tells_of_all() -> None:
    async with shim_client(InMemoryCaller(), **bearer(token(role="admin", accounts=["a", "b"]))) as client:
        told = (await client.get(f"{CONSOLE_PATH}/session")).json()["data"]
    assert told["accounts"] == ["a", "b"]
    assert not {"get_audit", "get_freezes"} & set(told["operations"])


async def test_without_a_good_token_there_is_no_session(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{CONSOLE_PATH}/session")).status_code == 401


def palettes() -> dict[str, dict[str, str]]:
    """The colours by their names, of day and of night."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for name, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """How far two colours are apart, from 1 to 21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "paper"), TEXTS)
def test_what_is_written_can_be_read(scheme: str, text: str, paper: str) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[text], palette[paper]) >= READABLE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_has_the_focus_is_seen(scheme: str) -> None:
    palette = palettes()[scheme]
    assert min(contrast(palette["focus"], palette[paper]) for paper in ("paper", "sheet", "raised")) >= VISIBLE


def test_all_colours_are_of_the_palette() -> None:
    rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,8}\b", rules)
    assert palettes()["light"].keys() == palettes()["dark"].keys()


def test_red_is_for_danger_and_amber_for_doubt() -> None:
    for rule, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)):
        if "var(--danger" in body:
            assert "danger" in rule, rule
        if "var(--doubt" in body:
            assert re.search(r"doubt|stale|lost|banner|scarce|open", rule), rule
