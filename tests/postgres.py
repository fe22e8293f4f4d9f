"""A PostgreSQL of the tests' own: the distribution's server, on loopback, in a folder that is thrown away."""

import asyncio
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from tests.processes import free_port
from worker.child import Child

USER = "dma"
SYSTEM_USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""

READY_S = 30
INSTALL = "no PostgreSQL here: run deploy/install-postgresql.sh (as root), which `make test` does by itself"


def _programs() -> Path:
    """The folder of initdb and postgres, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    assert on_path, INSTALL
    return Path(on_path).parent


def _as_postgres(*argv: str) -> tuple[str, ...]:
    if os.geteuid() != 0:
        return argv
    who = (f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--init-groups")
    # A change of user frees a process from the bond to whoever started it, so it is tied once more.
    return ("setpriv", *who, "--pdeathsig", "KILL", "--", *argv)


class PostgresServer:
    """A running server; every call of `database` makes a new, empty database."""

    def __init__(self, port: int, password: str) -> None:
        self._url = f"postgresql://{USER}:{password}@127.0.0.1:{port}"
        self._count = 0

    async def database(self) -> str:
        """The URL of a new database."""
        self._count += 1
        name = f"ledger{self._count}"
        connection = await asyncpg.connect(f"{self._url}/postgres")
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return f"{self._url}/{name}"

    async def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            await (await asyncpg.connect(f"{self._url}/postgres", timeout=2)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@asynccontextmanager
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """A server until the end of the context."""
    folder, programs, password, port = Path(tempfile.mkdtemp()), _programs(), secrets.token_hex(16), free_port()
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(SYSTEM_USER).pw_uid, -1)
    word = folder / "password"
    word.write_text(password)
    if os.geteuid() == 0:
        os.chown(word, pwd.getpwnam(SYSTEM_USER).pw_uid, -1)
    data = folder / "data"
    made = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", f"--username={USER}", f"--pwfile={word}")
    await asyncio.to_thread(
        subprocess.run,
        _as_postgres(str(programs / "initdb"), f"--pgdata={data}", *made),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # No test cuts the power, and a flush for each of hundreds of databases takes long.
    argv = (
        str(programs / "postgres"),
        "-c",
        "fsync=off",
        "-D",
        str(data),
        "-p",
        str(port),
        "-k",
        str(folder),
        "-h",
        "127.0.0.1",
    )
    child = Child("postgres", _as_postgres(*argv), {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, folder / "log")
    server = PostgresServer(port, password)
    await child.start()
    try:
        await child.until(server.answers, READY_S)
        yield server
    finally:
        await child.stop(grace_s=10)
        shutil.rmtree(folder)
