"""The sandbox as a process, and the file that tells others where it is."""

import json

import structlog

from worker.config.settings import Settings
from worker.runtime.files.state_files import write_private
from worker.runtime.stopping import stop_signal
from worker.sandbox.app.server import Sandbox

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
