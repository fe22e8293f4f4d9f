"""Sessions on a PostgreSQL: which of its hosts, how a transaction ends, and what an error of it means."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final, TypeAlias, cast

import asyncpg

from worker.ledger.postgres.url import WRITABLE, Server, attributes, hostless, place, servers
from worker.ledger.sql.database import Latch, Row, Statement
from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable, StaleWrite

CONNECT_S = 3.0
"""How long one host may take; where there are several, the next one is tried then."""

TROUBLE: Final = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(OSError, asyncio.TimeoutError),
)
"""What asyncpg raises when the server is away, out of room, or shutting down, and when it hung up in the middle."""

_MANNERS = """
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;
    SET idle_in_transaction_session_timeout = {patience_ms}; SET statement_timeout = {patience_ms}
"""
"""A host of ours that vanished frees its locks after some 15 s instead of two hours, and one that stands still in the
middle of a transaction holds up nobody. Said after connecting: pgbouncer refuses a client that says it at the start."""

LATCH = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))"
SHARED_LATCH = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))"

Session: TypeAlias = "asyncpg.Connection[Any]"


class Servers:
    """The hosts of a URL. The one that was found last is tried first: after a failover all sessions go to one place."""

    def __init__(self, url: str) -> None:
        self.place = place(url)
        self._url = hostless(url)
        self._attributes = attributes(url)
        self._hosts: list[Server | None] = [*servers(url)] or [None]

    async def connect(self, patience_s: float = 0, **more: Any) -> Session:
        """A session on the first host that has what we need. Raises one of TROUBLE.

        The server too ends a statement that takes longer than `patience_s`, unless that is 0.
        """
        trouble: Exception = asyncpg.InterfaceError("there is no host to connect to")
        for host in tuple(self._hosts):
            try:
                session = await self._connect(host, **more)
                await self._teach(session, patience_s)
            except TROUBLE as error:
                trouble = error
            else:
                self._hosts.sort(key=lambda known: known != host)
                return session
        raise trouble

    async def _connect(self, host: Server | None, **more: Any) -> Session:
        where: dict[str, Any] = {} if host is None else host._asdict()
        session: Session = await asyncpg.connect(
            self._url,
            timeout=CONNECT_S,
            target_session_attrs=cast(Any, self._attributes),  # the stubs want a class that the library does not export
            server_settings={"application_name": "perps-dma"},
            **where,
            **more,
        )
        return session

    async def _teach(self, session: Session, patience_s: float) -> None:
        """Set a session up. A pooler lets us in, and says what its server was like, though there is none any more."""
        try:
            await session.execute(_MANNERS.format(patience_ms=int(1000 * patience_s)), timeout=CONNECT_S)
            is_read_only = await session.fetchval("SELECT current_setting('transaction_read_only')", timeout=CONNECT_S)
            if is_read_only == "on" and self._attributes in WRITABLE:
                raise asyncpg.InterfaceError("it can only be read")
        except (*TROUBLE, asyncio.CancelledError):
            session.terminate()
            raise

    def unavailable(self, error: Exception) -> LedgerUnavailable:
        """Nothing was kept."""
        return LedgerUnavailable(f"the ledger at {self.place} is not to be had: {error or type(error).__name__}")

    def in_doubt(self, error: Exception) -> CommitInDoubt:
        """Something may have been kept."""
        said = error or type(error).__name__
        return CommitInDoubt(f"the ledger at {self.place} did not answer whether it has kept something: {said}")


def is_definite(error: Exception) -> bool:
    """Whether the server itself says that the statement failed, in a session that goes on."""
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"


async def transacted(
    session: Any, servers: Servers, statements: Sequence[Statement], patience_s: float, latch: Latch | None = None
) -> list[list[Row]]:
    """Run statements in one transaction, behind a latch; the rows of each.

    Raises StaleWrite, LedgerUnavailable, or CommitInDoubt. A session that did not answer is closed, with all that
    it holds: an answer that comes later would be taken for that of the next question.
    """
    transaction = _Transaction(session, servers, monotonic() + patience_s)
    try:
        if latch is None:
            return await transaction.run(statements)
        # Each statement sees what was committed before it began: what the others look for is there by then.
        return (await transaction.run((_taking(latch), *statements)))[1:]
    except asyncio.CancelledError:
        _end(session)
        raise


def _taking(latch: Latch) -> Statement:
    return Statement(SHARED_LATCH if latch.shared else LATCH, (latch.name,))


class _Transaction:
    def __init__(self, session: Any, servers: Servers, until: float) -> None:
        self._session = session
        self._servers = servers
        self._until = until
        self._goes_on = True

    @property
    def _left(self) -> float:
        return max(0.001, self._until - monotonic())

    async def run(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if len(statements) == 1:  # is a transaction by itself, in one round trip
            return [await self._committing(self._rows(statements[0]))]
        await self._surely(self._session.execute("BEGIN", timeout=self._left))
        try:
            rows = [await self._surely(self._rows(statement)) for statement in statements]
        except (StaleWrite, LedgerUnavailable):
            await self._take_back()
            raise
        await self._committing(self._session.execute("COMMIT", timeout=self._left))
        return rows

    async def _rows(self, statement: Statement) -> list[Row]:
        rows = await self._session.fetch(statement.sql, *statement.values, timeout=self._left)
        if statement.must_match and not rows:
            raise StaleWrite
        return [tuple(row) for row in rows]

    async def _surely(self, step: Any) -> Any:
        """A step before the commit: whatever fails, nothing is kept."""
        try:
            return await step
        except TROUBLE as error:
            self._end_of(error)
            raise self._servers.unavailable(error) from error

    async def _committing(self, step: Any) -> Any:
        try:
            return await step
        except TROUBLE as error:
            self._end_of(error)
            known = is_definite(error)
            raise (self._servers.unavailable if known else self._servers.in_doubt)(error) from error

    async def _take_back(self) -> None:
        if self._goes_on:
            with suppress(LedgerUnavailable):
                await self._surely(self._session.execute("ROLLBACK", timeout=self._left))

    def _end_of(self, error: Exception) -> None:
        # A host that can only be read is one from before a failover: the next session looks for the one after it.
        if not is_definite(error) or isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._goes_on = False
            _end(self._session)


def _end(session: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # it has ended already, and its pool has taken it back
        session.terminate()
