"""Ports for programs that open them later."""

import socket
from pathlib import Path

import pytest

from worker.broker.node_folder import Ports
from worker.runtime import ports


def test_a_private_node_gets_ports_that_the_kernel_gives_to_nobody_while_it_starts() -> None:
    lowest = int(ports.GIVEN_OUT.read_text().split()[0])
    chosen = [Ports.free() for _ in range(50)]
    assert all(port < lowest for one in chosen for port in (one.amqp, one.distribution, one.epmd, one.stream))
    assert all(len({one.amqp, one.distribution, one.epmd, one.stream}) == 4 for one in chosen)


def test_a_port_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given_out = tmp_path / "ip_local_port_range"
    given_out.write_text("11000\t60999\n")
    monkeypatch.setattr(ports, "GIVEN_OUT", given_out)
    with socket.socket() as taken:
        (port,) = ports.free_ports(1)
        taken.bind((ports.LOOPBACK, port))
        taken.listen()
        assert port not in ports.free_ports(900)


@pytest.mark.parametrize("given_out", ["1024\t60999\n", None])
def test_where_none_lie_below_the_kernels_it_chooses(
    given_out: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "ip_local_port_range"
    if given_out is not None:
        file.write_text(given_out)
    monkeypatch.setattr(ports, "GIVEN_OUT", file)
    assert len(set(ports.free_ports(3))) == 3
