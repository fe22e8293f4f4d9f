"""Programs started by this one, which never outlive it."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from worker.runtime.errors import OperatorError
from worker.runtime.files.log_files import open_log, rotate_log

POLL_S = 0.03
"""How often a condition of another process is looked at; nothing tells us when a port opens or a file appears."""


class ChildFailed(OperatorError):
    """A program ended, or did not become ready in time; the message holds its last log lines."""


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented, or a note that there are none."""
    written = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in written[-lines:]) or f"    ({log} is empty)"


def _bound_to_us(argv: Sequence[str]) -> tuple[str, ...]:
    # The kernel ends the child when we die, even by SIGKILL. setpriv (util-linux) arranges it and then becomes the
    # program, so that the pid is the program's own. Without setpriv, the next start on the same state cleans up.
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--", *argv) if setpriv else tuple(argv)


class Child:
    """One program, in a session of its own so that the terminal's Ctrl-C reaches us alone and we end it in order."""

    def __init__(self, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id; it is also that of its process group."""
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; what it prints is added to the log."""
        self.rotate_log()
        with os.fdopen(open_log(self.log), "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_bound_to_us(self._argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._environment),
                start_new_session=True,
            )

    def rotate_log(self) -> None:
        """Put its log aside when that has grown large."""
        rotate_log(self.log)

    async def until(self, ready: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Wait until `ready`. Raises ChildFailed when the program ends before, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    await self.must_run()
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise self._failure(f"was not ready after {seconds:g} s") from error

    async def must_run(self) -> None:
        """Raises ChildFailed when it has ended."""
        if not self.running:
            raise self._failure(f"ended before it was ready ({await self.ended()})")

    async def ended(self) -> str:
        """Wait for its end; says how it ended."""
        code = await self._process.wait() if self._process else 0
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, wait for at most `grace_s` seconds, then end it by force. Does nothing if it isn't running."""
        if self._process is None or not self.running:
            return
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it, and what it started, at once."""
        self.send_group(signal.SIGKILL)
        await self.ended()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _failure(self, what: str) -> ChildFailed:
        return ChildFailed(f"{self.name} {what}; the end of {self.log}:\n{tail(self.log)}")
