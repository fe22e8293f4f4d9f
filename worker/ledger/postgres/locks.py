"""Names that one process holds at a time: advisory locks, which live in one session and die with it.

That session can die while its process lives: an administrator ends it, a pooler is restarted, a primary fails over. The
names are free then, and other workers take them. What keeps two workers from changing one account all the same:

1. The door. An intent is written *by the session that holds the account* (`write`). There is no moment at which the
   session is dead, the account another's, and the intent still written: the commit comes before the end of the session,
   and that before the other worker's hold. After the write nothing but the sending follows, so what was proven is a
   moment old. Where it took long, because this process stood still, it is proven once more before it counts.
2. What is past the door. A request that is under way when the session dies can't be called back. Its command is
   *intended and unfinished* in the ledger, with its owner. Whoever takes an account next looks for such commands of
   others, and waits for each until it is finished, its deadline has passed (its request ended with that), or its owner
   is gone (`commands.py`).
3. Who is gone. A living worker without its session looks like a dead one, for as long as it takes to notice and to take
   `worker:<owner>` anew. So a worker is gone only when its name was free for `GONE_S` (`presence.py`).

The end of the session is noticed at once where the server says it, by a question each second where it says nothing.
Then a new one is made, what the old one left behind on the server is ended with it, and the names that are `kept` are
taken anew. A command that finds at the door that its account was lost takes it anew, waits as above, and goes on,
unless its deadline has passed or another worker has taken the command itself over.

A statement that does not answer in time ends the session too. The server may have granted what it was asked for, and
nobody would ever give it back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from time import monotonic
from typing import NamedTuple

import structlog

from worker.ledger.postgres.session import TROUBLE, Servers, Session, is_definite, transacted
from worker.ledger.sql.database import Latch, Row, Statement
from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable, LockLost

PATIENCE_S = 3.0
"""How long a statement of the session may take."""

PROOF_S = 1.0
"""How old the proof that a name is ours may be when something is sent on the strength of it."""

LOOK_S = 1.0
"""How often a session that nobody uses is asked whether it lives."""

AGAIN_S = 0.1
"""When a name that is kept, and was not to be had, is tried again."""

POLL_S = 0.02
"""How often a lock that another session holds is tried again."""

UNWANTED_S = 0.2
"""How long somebody who does not want a lock any more waits for the answer; then it is given back behind them."""

TAKE = "SELECT CASE WHEN pg_try_advisory_lock(hashtextextended($1::text, 0)) THEN $1 END"
TAKE_IN_TURN = """
    SELECT CASE
        WHEN NOT pg_try_advisory_lock(hashtextextended($2::text, 0)) THEN NULL
        WHEN NOT pg_try_advisory_lock(hashtextextended($1::text, 0)) THEN $2
        WHEN pg_advisory_unlock(hashtextextended($2::text, 0)) THEN $1
    END
"""
"""Each returns the name that is held now. Who waits for $1 holds $2, the turn: whoever lets go of $1 and wants it again
at once, as a busy worker does, comes after them."""

WHO = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"

log = structlog.get_logger(__name__)


class _Backend(NamedTuple):
    """The server's side of a session. A pid may come again; with the moment of its start it is one."""

    pid: int
    since: datetime


class _Hold(NamedTuple):
    """A name, and the session that has it: ours are counted."""

    name: str
    generation: int


class LockSession:
    """The session that holds our names; made when it is needed, and made anew when it was lost."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._session: Session | None = None
        self._backend: _Backend | None = None
        self._left_behind: list[_Backend] = []
        self._one_at_a_time = asyncio.Lock()
        self._generation = 0
        self._held: dict[str, int] = {}
        self._kept: set[str] = set()
        self._lost = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._unwanted: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Wait for a name, and hold it."""
        await self.renew(name)
        try:
            yield
        finally:
            if (generation := self._held.pop(name, None)) is not None:
                await self._give_back(_Hold(name, generation))

    @asynccontextmanager
    async def keep(self, name: str) -> AsyncIterator[None]:
        """The same, and take it anew whenever it was lost."""
        self._keeping = self._keeping or asyncio.create_task(self._keep())
        async with self.lock(name):
            self._kept.add(name)
            try:
                yield
            finally:
                self._kept.discard(name)

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncIterator[bool]:
        """Hold a name if it is free; tells whether."""
        hold = await self._taken(TAKE, name)
        try:
            yield hold is not None
        finally:
            if hold:
                await self._give_back(hold)

    async def renew(self, name: str) -> None:
        """Wait for a name that was lost, for whoever is within its `lock`."""
        turn = f"turn for {name}"
        hold = await self._once_taken(TAKE_IN_TURN, name, turn)
        if hold.name == turn:
            in_turn = hold
            try:
                hold = await self._once_taken(TAKE, name)
            finally:
                await self._give_back(in_turn)
        self._held[name] = hold.generation

    async def write(self, name: str, *statements: Statement, latch: Latch | None = None) -> list[list[Row]]:
        """Run statements in one transaction of the session that holds a name.

        Raises NothingMatched, LedgerUnavailable where nothing was kept, and LockLost where it may be.
        """
        async with self._one_at_a_time:
            session, began = self._holding(name), monotonic()
            try:
                rows = await transacted(session, self._servers, statements, PATIENCE_S, latch)
                while monotonic() - began > PROOF_S:
                    began = monotonic()
                    await self._ask(session, "SELECT 1")
            except LedgerUnavailable as error:
                if isinstance(error, CommitInDoubt) or session.is_closed():
                    self._lose()
                    raise LockLost(f"{name} is ours no more: {error}") from error
                raise
            return rows

    async def require_kept(self) -> None:
        """Take a lock, to see whether it can be done. Raises LedgerUnavailable; also while a kept name is not ours."""
        async with self.try_lock("probe"):
            if missing := [name for name in self._kept if not self._is_held(name)]:
                raise LedgerUnavailable(f"{', '.join(missing)} was lost, and can't be taken anew yet")

    async def close(self) -> None:
        """End the session, with all that it holds."""
        for task in (self._keeping, *self._unwanted):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._session is not None:
            with suppress(*TROUBLE):
                await self._session.close(timeout=PATIENCE_S)

    def _is_held(self, name: str) -> bool:
        lives = self._session is not None and not self._session.is_closed()
        return lives and self._held.get(name) == self._generation

    def _holding(self, name: str) -> Session:
        if self._session is None or not self._is_held(name):
            raise LockLost(f"{name} is ours no more: the session that held it has ended")
        return self._session

    async def _once_taken(self, take: str, *names: str) -> _Hold:
        """Ask until one of the names is ours."""
        while (hold := await self._taken(take, *names)) is None:  # noqa: ASYNC110 - another session has it
            await asyncio.sleep(POLL_S)
        return hold

    async def _taken(self, take: str, *names: str) -> _Hold | None:
        """The name of which a statement got hold.

        The question is carried to its end even if we are cancelled: a lock that was taken unnoticed would be ours for
        good.
        """
        taking = asyncio.create_task(self._take(take, *names))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await self._behind_us(asyncio.create_task(self._give_back_unwanted(taking)))
            raise

    async def _take(self, take: str, *names: str) -> _Hold | None:
        async with self._one_at_a_time:
            name = await self._ask(await self._living(), take, *names)
            return None if name is None else _Hold(str(name), self._generation)

    async def _give_back_unwanted(self, taking: "asyncio.Task[_Hold | None]") -> None:
        with suppress(LedgerUnavailable):
            if hold := await taking:
                await self._unlock(hold)

    async def _give_back(self, hold: _Hold) -> None:
        """Let go of a name, to the end even if we are cancelled: nobody else would do it."""
        giving = asyncio.create_task(self._unlock(hold))
        try:
            await asyncio.shield(giving)
        except asyncio.CancelledError:
            await self._behind_us(giving)
            raise

    async def _behind_us(self, giving: "asyncio.Task[None]") -> None:
        self._unwanted.add(giving)
        giving.add_done_callback(self._unwanted.discard)
        await asyncio.wait([giving], timeout=UNWANTED_S)

    async def _unlock(self, hold: _Hold) -> None:
        # A session that is gone has given back all its locks already.
        async with self._one_at_a_time:
            if self._session is not None and hold.generation == self._generation and not self._session.is_closed():
                with suppress(LedgerUnavailable):
                    await self._ask(self._session, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", hold.name)

    async def _ask(self, session: Session, question: str, *values: str) -> object:
        """Ask the session, which does not outlive a question that it leaves open. Raises LedgerUnavailable."""
        try:
            return await session.fetchval(question, *values, timeout=PATIENCE_S)
        except TROUBLE as error:
            if not is_definite(error):
                self._lose()
            raise self._servers.unavailable(error) from error

    async def _living(self) -> Session:
        """Our session, or a new one. Raises LedgerUnavailable."""
        if self._session is not None and self._session.is_closed():
            self._lose()
        if self._session is None:
            try:
                self._session = await self._opened()
            except TROUBLE as error:
                raise self._servers.unavailable(error) from error
            self._session.add_termination_listener(self._ended)
        return self._session

    async def _opened(self) -> Session:
        session = await self._servers.connect(PATIENCE_S)
        try:
            while self._left_behind:
                await session.fetchval(END, *self._left_behind[-1], timeout=PATIENCE_S)
                self._left_behind.pop()
            (who,) = await session.fetch(WHO, timeout=PATIENCE_S)
            self._backend = _Backend(*who)
        except TROUBLE:
            session.terminate()
            raise
        return session

    def _lose(self) -> None:
        """Have no session any more; what is left of it on the server is ended when there is a new one."""
        session, self._session = self._session, None
        if session is None:
            return
        log.warning("lock_session_lost", count=len(self._held))
        session.terminate()
        self._generation += 1
        if self._backend is not None:
            self._left_behind.append(self._backend)
        self._lost.set()

    def _ended(self, session: object) -> None:
        self._lost.set()

    async def _keep(self) -> None:
        """See to it that the session lives and has what is kept, until cancelled."""
        wait_s = LOOK_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._lost.wait()
            self._lost.clear()
            try:
                wait_s = LOOK_S if await self._has_all() else AGAIN_S
            except LedgerUnavailable:
                wait_s = AGAIN_S

    async def _has_all(self) -> bool:
        await self._taken("SELECT NULL::text")
        for name in [name for name in self._kept if not self._is_held(name)]:
            if hold := await self._taken(TAKE, name):
                self._held[name] = hold.generation
                log.info("lock_retaken", lock=name)
        return all(map(self._is_held, self._kept))
