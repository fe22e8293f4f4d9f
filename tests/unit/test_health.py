from pathlib import Path

import pytest

from worker.config.settings import Settings
from worker.console.health import check_health, service_of
from worker.runtime.errors import ConfigurationError


def test_the_service_is_known_by_its_command_line() -> None:
    assert service_of(b"/opt/perps-dma/bin/python\0/opt/perps-dma/bin/perps-dma\0worker\0") == "worker"


def test_another_process_is_no_service() -> None:
    with pytest.raises(ConfigurationError, match="name one of worker, shim, sandbox"):
        service_of(b"/sbin/init\0")


async def test_a_service_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigurationError, match="there is no service 'broker'; there are worker, shim, sandbox"):
        await check_health(Settings(), "broker")


async def test_a_shim_that_does_not_answer_is_not_well(unused_tcp_port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{unused_tcp_port}/healthz"):
        await check_health(Settings(port=unused_tcp_port), "shim")


async def test_a_sandbox_that_has_not_said_where_it_is_is_not_well(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="do not listen yet"):
        await check_health(Settings(state=tmp_path), "sandbox")
