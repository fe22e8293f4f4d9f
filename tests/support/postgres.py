"""A PostgreSQL of the tests' own: the distribution's server, on loopback, in a folder that is thrown away."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from tests.support.processes import family, free_port, gone
from worker.ledger.postgres.url import Server
from worker.runtime.child import Child

USER = "dma"
SYSTEM_USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""

PGBOUNCER = "/usr/sbin/pgbouncer"
READY_S = 30
INSTALL = (
    "no PostgreSQL or pgbouncer here: run deploy/install-postgresql.sh (as root), which `make test` does by itself"
)


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

    def __init__(self, port: int, password: str, child: Child, data: Path) -> None:
        self.port = port
        self.password = password
        self.data = data
        self._child = child
        self._count = 0

    @property
    def url(self) -> str:
        """The URL of the database that is always there."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def database(self) -> str:
        """The URL of a new database."""
        self._count += 1
        name = f"ledger{self._count}"
        await self.say(f"CREATE DATABASE {name}")
        return self.url_of(name)

    async def say(self, sql: str) -> list[asyncpg.Record]:
        """Run a statement as an administrator."""
        connection = await asyncpg.connect(self.url, timeout=READY_S)
        try:
            found: list[asyncpg.Record] = await connection.fetch(sql)
        finally:
            await connection.close()
        return found

    async def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            await (await asyncpg.connect(self.url, timeout=2)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    async def start(self) -> None:
        """Start it; returns when it takes connections."""
        await self._child.start()
        await self._child.until(self.answers, READY_S)

    async def kill(self) -> None:
        """`kill -9` of the postmaster; its backends end when they notice."""
        backends = family(self._child.pid)
        await self._child.kill()
        await gone(*backends)

    async def stop(self) -> None:
        """Stop it, without waiting for its clients."""
        self._child.send(signal.SIGINT)
        await self._child.stop(grace_s=10)


@asynccontextmanager
async def postgres_server(**settings: str) -> AsyncIterator[PostgresServer]:
    """A server until the end of the context."""
    with _folder() as folder:
        password, data = secrets.token_hex(16), folder / "data"
        word = folder / "password"
        word.write_text(password)
        _give(word)
        made = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", f"--username={USER}", f"--pwfile={word}")
        await _run("initdb", f"--pgdata={data}", *made)
        async with _running(folder, password, settings) as server:
            yield server


@asynccontextmanager
async def standby_of(primary: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A server that follows another one until it is promoted, or until the end of the context."""
    with _folder() as folder:
        where = ("--host=127.0.0.1", f"--port={primary.port}", f"--username={USER}", "--no-sync", "--checkpoint=fast")
        await _run(
            "pg_basebackup", *where, "--write-recovery-conf", f"--pgdata={folder / 'data'}", word=primary.password
        )
        async with _running(folder, primary.password, {}) as server:
            yield server


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    _give(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _give(path: Path) -> None:
    """To whom the server runs as."""
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam(SYSTEM_USER).pw_uid, -1)


async def _run(program: str, *argv: str, word: str = "") -> None:
    await asyncio.to_thread(
        subprocess.run,
        _as_postgres(str(_programs() / program), *argv),
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, "PGPASSWORD": word},
    )


@asynccontextmanager
async def _running(folder: Path, password: str, settings: dict[str, str]) -> AsyncIterator[PostgresServer]:
    """The server of a folder."""
    # No test cuts the power, and a flush for each of hundreds of databases takes long.
    given = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), **settings}
    options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
    data, port = folder / "data", free_port()
    argv = (str(_programs() / "postgres"), "-D", str(data), "-p", str(port), *options)
    child = Child("postgres", _as_postgres(*argv), {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, folder / "log")
    server = PostgresServer(port, password, child, data)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


class Pgbouncer:
    """A pgbouncer that pools sessions in front of a server, with the settings that its package comes with."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._password = server.password
        self._port = free_port()
        configuration, users = folder / "pgbouncer.ini", folder / "users"
        users.write_text(f'"{USER}" "{server.password}"')
        configuration.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            "pool_mode = session\ndefault_pool_size = 40\nserver_login_retry = 1\n"
        )
        for path in (configuration, users):
            _give(path)
        self._child = Child(
            "pgbouncer", _as_postgres(PGBOUNCER, str(configuration)), {"PATH": os.defpath}, folder / "log"
        )

    @property
    def server(self) -> Server:
        """Where it listens."""
        return Server("127.0.0.1", self._port)

    def url(self, database: str) -> str:
        """The URL of a database, through it."""
        name = database.rpartition("/")[2]
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{name}"

    async def start(self) -> None:
        """Start it; returns when it takes connections."""
        await self._child.start()
        await self._child.until(self._answers, READY_S)

    async def kill(self) -> None:
        """`kill -9`."""
        await self._child.kill()

    async def stop(self) -> None:
        """Stop it."""
        await self._child.stop(grace_s=5)

    async def _answers(self) -> bool:
        """Whether it listens, be there a server behind it or not."""
        try:
            _, writer = await asyncio.open_connection(*self.server)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


@asynccontextmanager
async def pgbouncer(server: PostgresServer) -> AsyncIterator[Pgbouncer]:
    """A pgbouncer until the end of the context."""
    assert shutil.which(PGBOUNCER), INSTALL
    with _folder() as folder:
        pooler = Pgbouncer(server, folder)
        try:
            await pooler.start()
            yield pooler
        finally:
            await pooler.stop()
