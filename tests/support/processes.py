"""What tests look up about other processes, from /proc."""

import asyncio
import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from worker.runtime.ports import free_ports

_LISTENING = "0A"


async def gone(*pids: int, seconds: float = 15) -> None:
    """Wait until none of these processes runs."""
    async with asyncio.timeout(seconds):
        for pid in pids:
            await _ended(pid)


async def _ended(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    children = {
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    }
    return {pid}.union(*map(family, children))


def service(up: int, name: str) -> int:
    """The process of a service that a running `up` has started."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family(up)}
    return next(pid for pid, command in commands.items() if f"\0{name}\0".encode() in command)


def listening_addresses(pid: int) -> set[IPv4Address | IPv6Address]:
    """The addresses on which a process listens for TCP."""
    return {_address(entry) for entry in _listening_entries(pid)}


def listening_ports(pid: int) -> set[int]:
    """The ports on which a process listens for TCP."""
    return {int(entry.partition(":")[2], 16) for entry in _listening_entries(pid)}


def _listening_entries(pid: int) -> list[str]:
    open_files = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == _LISTENING and f"socket:[{row[9]}]" in open_files]


def _address(entry: str) -> IPv4Address | IPv6Address:
    # The kernel writes an address as 32-bit words, each in the machine's (little-endian) order.
    digits = bytes.fromhex(entry.partition(":")[0])
    return ip_address(b"".join(digits[at : at + 4][::-1] for at in range(0, len(digits), 4)))


def free_port() -> int:
    """A port for somebody who listens on it later."""
    (port,) = free_ports(1)
    return port
