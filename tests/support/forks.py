"""Our programs as processes of their own that need not import anything: forks of one that has imported it all before.

To import takes a call of the command line as long as all the rest, and a worker two seconds of a processor. A fork has
an environment, outputs, signals and an end of its own, as any other process. The programs as somebody starts them are
in `tests/integration/test_up.py` and `tests/acceptance/test_page_commands.py`.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path

PRELOADED = "tests.support.forks_preloaded"
COMMAND_LINE = "worker.app.cli"

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([PRELOADED])


def prepare() -> None:
    """Let the imports begin, beside what else takes a while; who forks before they are over waits for them."""
    ensure_running()


class Fork:
    """A process that runs the `main` of a module."""

    def __init__(
        self, module: str, *arguments: str, environment: Mapping[str, str], out: Path | None = None, err: Path
    ) -> None:
        """Start it. What it says is added to the files."""
        started = (module, arguments, {**environment}, out or err, err)
        self._process: ForkServerProcess = _FORKS.Process(target=_run, args=started, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it may end at any moment
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end; the exit code."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        while (code := self.returncode) is None:
            ended.clear()
            loop.add_reader(self._process.sentinel, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._process.sentinel)
        return code


def _run(module: str, arguments: tuple[str, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    """In the new process: what a shell does before it starts a program, and the program."""
    for path, number in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    import_module(module).main()


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


async def perps_dma(*arguments: str, environment: Mapping[str, str]) -> Ended:
    """Run a command of the command line to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        fork = Fork(COMMAND_LINE, *arguments, environment=environment, out=out, err=err)
        try:
            await fork.wait()
        finally:
            fork.send_signal(signal.SIGKILL)
        return _told(fork, out, err)


def _told(fork: Fork, out: Path, err: Path) -> Ended:
    assert fork.returncode is not None
    return Ended(fork.returncode, out.read_text(), err.read_text())
