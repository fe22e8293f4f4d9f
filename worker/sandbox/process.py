"""The sandbox as a process, and the file that tells others where it is."""

import json

import structlog

from worker.sandbox.server import Sandbox
from worker.settings import Settings
from worker.state_files import write_private
from worker.stopping import stop_signal

log = structlog.get_logger(__name__)


async def run_sandbox(settings: Settings) -> None:
    """Run the stand-in venues until told to stop; STATE/sandbox.json lists them meanwhile."""
    stop = stop_signal()
    async with Sandbox(host=settings.sandbox_host) as sandbox:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(settings.sandbox_file, json.dumps(sandbox.describe(), indent=2))
        log.info("sandbox_ready", venues=sandbox.base_urls)
        try:
            await stop.wait()
        finally:
            settings.sandbox_file.unlink(missing_ok=True)
