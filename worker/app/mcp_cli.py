"""`perps-dma mcp`: the operations as tools for agents."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.console.examples import example
from worker.console.kit.terminal import fail, read_settings, run

if TYPE_CHECKING:
    from worker.config.settings import Settings

mcp_app = typer.Typer()

TOKEN_VARIABLE = "PERPS_DMA_TOKEN"  # noqa: S105 - its name
DEFAULT_PORT = 8090


@mcp_app.command(
    rich_help_panel="Talk to it",
    epilog=example("perps-dma mcp", "perps-dma mcp --commands --token-file token", "perps-dma mcp --http --port 8090"),
)
def mcp(
    *,
    commands: Annotated[
        bool, typer.Option("--commands", help="Tools that change something too; without it there are none of them.")
    ] = False,
    over_http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP instead of standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option(help="The address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on, with --http.", min=1, max=65535)] = DEFAULT_PORT,
    url: Annotated[str | None, typer.Option(help="Where the HTTP API is; that of the running `up` by default.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token, read at the start; or PERPS_DMA_TOKEN has it.")
    ] = None,
) -> None:
    """Serve the operations as tools of the Model Context Protocol, for agents.

    Each operation is a tool, with the schemas of its request and answer. Without
    --commands there are only tools that read. Those that change something need a
    reason, which the audit keeps; the answer tells how it is known to be in force.

    Over standard input and output, with a token (PERPS_DMA_TOKEN, --token-file)
    everything goes through the HTTP API, whose roles and accounts hold; without
    one it goes over the bus, as the broker's user. Clients start it like this:

    {"mcpServers": {"perps-dma": {"command": "perps-dma", "args": ["mcp"],
    "env": {"PERPS_DMA_STATE": "/path/to/.perps-dma"}}}}

    Over --http each request brings a token of its own. Clients connect like this:

    {"mcpServers": {"perps-dma": {"type": "http", "url":
    "http://127.0.0.1:8090/mcp", "headers": {"Authorization": "Bearer TOKEN"}}}}
    """
    settings = read_settings()
    if find_spec("mcp") is None:
        raise fail("this needs the extra mcp: pip install 'perps-dma[mcp]'")
    from worker.mcp import serving

    if over_http:
        if token_file is not None:
            raise fail("--http takes no --token-file: each request brings the token of whoever asks")
        work = serving.serve_http(settings, commands=commands, url=_url(settings, url), host=host, port=port)
    else:
        token = _token(token_file)
        if url is not None and token is None:
            raise fail(f"--url needs a token: set {TOKEN_VARIABLE}, or name a file with --token-file")
        way = None if token is None else _url(settings, url)
        work = serving.serve_stdio(settings, commands=commands, url=way, token=token)
    run(work)


def _url(settings: "Settings", given: str | None) -> str:
    from worker.config.addresses import http_url
    from worker.runtime.errors import ConfigurationError

    if given is not None:
        return given
    try:
        return http_url(settings)
    except ConfigurationError as error:
        raise fail(f"{error}, or say where the HTTP API is with --url") from error


def _token(file: Path | None) -> str | None:
    """The token, out of a file or of the environment; None where neither has one."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"the token can't be read from {file}: {error}") from error
    if not token:
        raise fail(f"{file} is empty: it should have a token")
    return token
