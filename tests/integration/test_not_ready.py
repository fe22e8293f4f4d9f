"""A worker that is not ready: `perps-dma status` says so, and fails."""

import asyncio
import os
import sys
from pathlib import Path

import pytest


@pytest.mark.usefixtures("venue")
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["for people", "for programs"])
async def test_a_worker_without_markets_is_not_ready_and_status_fails(
    amqp_url: str, tmp_path: Path, more: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "status", *more),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PERPS_DMA_AMQP_URL": amqp_url, "PERPS_DMA_STATE": str(tmp_path / "elsewhere")},
    )
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert ('"ready":false' if more else "not ready") in out.decode()
