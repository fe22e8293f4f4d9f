"""Every command of `perps-dma`, as its help has it."""

from collections import defaultdict
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from reference.markdown import code, page, table
from worker.app.cli import app

INTRODUCTION = """\
Every command of `perps-dma`, with its arguments and options, as `--help` has them. Settings come from
[`PERPS_DMA_*`](settings.md); `PERPS_DMA_STATE` (`.perps-dma`) is where a running `up` says how to reach it.
`perps-dma --version` prints the version, `--install-completion` has your shell complete commands and account ids."""


SHOWN = "<!-- shown: an example out of the help, which is tried where the help is -->"


def command_line_page() -> str:
    """The page."""
    return page("Command line", INTRODUCTION, *_sections(typer.main.get_group(app)))


def _sections(group: TyperGroup) -> Iterator[str]:
    panels = defaultdict[str, list[Any]](list)
    for command in group.commands.values():
        panels[getattr(command, "rich_help_panel", None) or "More"].append(command)
    for title, commands in panels.items():
        yield f"## {title}"
        for command in commands:
            yield from _command(command, f"perps-dma {command.name}")


def _command(command: Any, line: str) -> Iterator[str]:
    inner = command.commands if isinstance(command, TyperGroup) else {}
    if not inner or command.invoke_without_command:
        yield f"### {line}"
        yield cleandoc(command.help or "")
        if rows := [_row(parameter) for parameter in command.params if "--help" not in parameter.opts]:
            yield table(("argument or option", "default", "meaning"), rows)
        if command.epilog:
            yield _examples(command.epilog)
    for name, below in inner.items():
        yield from _command(below, f"{line} {name}")


def _row(parameter: Any) -> tuple[str, str, str]:
    """A row of an argument or option. Typer exports no class for what both have."""
    name, value = "/".join([*parameter.opts, *parameter.secondary_opts]), parameter.metavar or parameter.name.upper()
    if not isinstance(parameter, TyperOption):
        name = value
    elif not parameter.is_flag:
        name = f"{name} {value}"
    several = "; several times" if parameter.multiple and "several times" not in (parameter.help or "") else ""
    return code(name), _default(parameter), (parameter.help or "").removesuffix(".") + several


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value in (None, False) or callable(value) else code(value)


def _examples(epilog: str) -> str:
    """The example or examples of a help, as a block."""
    lines = [line for line in epilog.partition(": ")[2].splitlines() if line]
    return "\n".join((SHOWN, "```sh", *lines, "```"))
