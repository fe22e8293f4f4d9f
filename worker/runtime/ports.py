"""Ports to listen on later, by another program."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Linux: the first and the last of the ports that the kernel gives to whoever asks for none by name."""

LOWEST = 10_000
ROOM = 1_000
"""With fewer ports than this below those that are given out, the choice is left to the kernel."""


def free_ports(count: int) -> tuple[int, ...]:
    """So many ports of loopback on which nobody listens, and which the kernel gives to nobody meanwhile.

    A port out of the kernel's own range may be some client's by the time that a slow program opens it. Worse: who asks
    again and again whether it is open yet may be connected to itself (RFC 9293, 3.5, simultaneous open), and holds it.
    """
    below = _below_the_kernels()
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            one = socket.socket()
            held.append(one)
            try:
                one.bind((LOOPBACK, random.choice(below) if below else 0))  # noqa: S311 - spreads them, guards nothing
            except OSError:
                held.pop().close()
        return tuple(one.getsockname()[1] for one in held)
    finally:
        for one in held:
            one.close()


def _below_the_kernels() -> range:
    if not GIVEN_OUT.exists():
        return range(0)
    below = range(LOWEST, int(GIVEN_OUT.read_text().split()[0]))
    return below if len(below) >= ROOM else range(0)
