"""Accepts connections and counts them from that moment on, TLS handshake included.

An event loop's own server counts nothing, and one that finds no descriptor for a connection drops all that wait, or
stops listening, without a word. Here some descriptors are kept in reserve for that.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from worker.runtime.errors import ConfigurationError
from worker.shim.http.connections import Connection, Connections

AT_ONCE = 8
"""Connections that are accepted in one go; what is dropped for them is closed only after it."""

BACKLOG = 2_048
SPARE = 4
"""Descriptors in reserve."""

PAUSE_S = 0.01
"""How long nothing is accepted when these are used up too."""

REFILL_S = 1.0

Serve = Callable[[Connection], asyncio.Protocol]


def listening_sockets(host: str, port: int, setting: str) -> list[socket.socket]:
    """A socket for each address of a host that this machine has. Raises ConfigurationError, which names the setting."""
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = dict.fromkeys((row[0], row[4]) for row in found)
        opened.extend(sock for family, address in addresses if (sock := _listening(family, address)) is not None)
        if not opened:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except OSError as error:
        for one in opened:
            one.close()
        raise ConfigurationError(
            f"can't listen on {host}:{port} ({error.strerror or error}); choose another {setting}"
        ) from error
    return opened


def _listening(family: int, address: Any) -> socket.socket | None:
    """A socket on an address; None where this machine has no such address, as it may have no ::1."""
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise


class _Accepted:
    """A socket before there is a transport for it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def abort(self) -> None:
        """Whoever reads from it sees its end."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._sock.close()


class Listener:
    """Serves what connects to some sockets, each connection with a protocol of its own."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        connections: Connections,
        serve: Serve,
        tls: ssl.SSLContext | None = None,
        handshake_s: float = 10.0,
    ) -> None:
        self.sockets = sockets
        self._connections = connections
        self._serve = serve
        self._tls = tls
        self._handshake_s = handshake_s if tls else None
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._spare: list[int] = []
        self._refilling = False
        self._timers: set[asyncio.TimerHandle] = set()

    def start(self) -> None:
        """Accept from now on."""
        self._keep_spare()
        for listening in self.sockets:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Accept no more, and end what has not begun. Connections with a protocol go on."""
        for timer in self._timers:
            timer.cancel()
        for task in self._beginning:
            task.cancel()
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        while self._spare:
            os.close(self._spare.pop())

    async def wait_closed(self) -> None:
        """Until nothing begins any more."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._connections.out_of_descriptors(error, AT_ONCE)
                if not self._use_spare():
                    self._pause(listening)
                    return
            else:
                self._begin(sock, str(address[0]))

    def _begin(self, sock: socket.socket, host: str) -> None:
        sock.setblocking(False)
        connection = self._connections.admit(host, _Accepted(sock))
        task = self._loop.create_task(self._serve_one(sock, connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _serve_one(self, sock: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._serve(connection), sock, ssl=self._tls, ssl_handshake_timeout=self._handshake_s
            )
        except OSError:  # no handshake, or not in time
            connection.ended()
            sock.close()
        except asyncio.CancelledError:
            connection.ended()
            sock.close()
            raise

    def _use_spare(self) -> bool:
        if not self._spare:
            return False
        os.close(self._spare.pop())
        self._refill_soon()
        return True

    def _keep_spare(self) -> None:
        self._refilling = False
        try:
            while len(self._spare) < SPARE:
                self._spare.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            self._refill_soon()

    def _refill_soon(self) -> None:
        if not self._refilling:
            self._refilling = True
            self._later(REFILL_S, self._keep_spare)

    def _pause(self, listening: socket.socket) -> None:
        self._loop.remove_reader(listening)
        self._later(PAUSE_S, lambda: self._loop.add_reader(listening, self._accept, listening))

    def _later(self, seconds: float, what: Callable[[], object]) -> None:
        def due() -> None:
            self._timers.discard(timer)
            what()

        timer = self._loop.call_later(seconds, due)
        self._timers.add(timer)
