"""What `up` says to try first: lines that can be copied, on a terminal of 80 columns."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from worker.config.settings import Settings

ACCOUNT = "binance-perp-001"
"""An account of the sandbox that has a position."""

INDENT = "  "


def first_steps(settings: Settings, url: str, *, has_secret: bool) -> str:
    """The lines: what a shell has to know, then a request over HTTP, the events, the positions.

    Where tokens are made elsewhere (`has_secret` is false), nothing is said of HTTP.
    """
    request = _request(settings, url) if has_secret else ()
    lines = [*_exports(settings), *request, "perps-dma watch --from 15m", f"perps-dma positions {ACCOUNT}"]
    return "\n".join(f"{INDENT}{line}" for line in lines)


def _exports(settings: Settings) -> Iterator[str]:
    if shutil.which("perps-dma") is None:
        yield f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    if settings.state != Settings.model_fields["state"].default:
        yield f"export PERPS_DMA_STATE={shlex.quote(str(settings.state.absolute()))}"


def _request(settings: Settings, url: str) -> Iterator[str]:
    yield "TOKEN=$(perps-dma token --role trader)"
    yield 'curl -H "Authorization: Bearer $TOKEN" -G \\'
    if settings.tls_cert is not None:
        yield f"{INDENT}--cacert {shlex.quote(str(settings.tls_cert.absolute()))} \\"
    yield f"{INDENT}-d exchange_account_id={ACCOUNT} \\"
    yield f"{INDENT}{url}/oems/execution/positions"
