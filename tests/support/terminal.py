"""A real pseudo-terminal of a given width, and what a program shows on it."""

import asyncio
import fcntl
import os
import re
import struct
import termios
from collections.abc import Mapping

ROWS = 60
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _opened(columns: int) -> tuple[int, int]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    return ours, theirs


def _read_all(terminal: int) -> bytes:
    """All that is written until the last writer has gone, which Linux tells as an error."""
    read = bytearray()
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:
            return bytes(read)
        if not chunk:
            return bytes(read)
        read += chunk


async def shown_on_terminal(columns: int, *command: str, environment: Mapping[str, str]) -> str:
    """What a program writes to a terminal so wide, without colours. What steers the cursor is left out."""
    ours, theirs = _opened(columns)
    without_width = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=theirs, stdout=theirs, stderr=theirs, env={**without_width, "TERM": "xterm"}
        )
        os.close(theirs)
        read = await asyncio.to_thread(_read_all, ours)
        await process.wait()
    finally:
        os.close(ours)
    return _CONTROL.sub("", read.decode()).replace("\r", "")
