"""Doubts: a command ended as `unknown`, and nothing has shown yet what is in force.

A doubt is written together with its command's result, and ends together with the event that tells how: when the venue
was looked at (`execution.doubt_resolver`), or a later command about the same setting succeeded. A worker learns when it
notes a command whether its account has doubts; in the usual case it has none, and settling costs no statement.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from schemas import Outcome
from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.ledger.outbox import insertion
from worker.ledger.sql.database import Database, Row, Statement, Value
from worker.messages.wire import Outgoing

MOST_LISTED = 10_000
"""Doubts that are listed at most, the oldest first: a list that is longer tells nobody more."""

SWEEPS = frozenset({"pm_auto_collect", "pm_asset_collect"})
"""Operations that leave nothing in force which could be read back."""

POSITION_MODE = "set_position_mode"
"""The operation whose subject is a symbol, a settle currency or, where it is empty, the account."""
MARGIN_MOVES = {"add_margin": "added", "remove_margin": "removed"}
"""Operations that move margin of one position, and what they have done with the amount. That they did, nobody can know
afterwards: the position's margin is told as it is then.
"""

ALL_BUT_BNB = "all but BNB"


class Setting(NamedTuple):
    """What a command is about: the `subject` is a symbol, a settle currency or an asset, or empty."""

    account: str
    operation: str
    subject: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a command has left in doubt. It was looked at `tries` times, the last time in vain for a `problem`."""

    request: Mapping[str, Any]
    command: str
    account: str
    operation: str
    subject: str
    exchange: str
    actor: str | None
    since: Milliseconds
    tries: int
    next_look: Milliseconds
    problem: str | None

    @property
    def is_sweep(self) -> bool:
        """Whether money was to be moved, so that nothing in force can be read back."""
        return self.operation in SWEEPS

    @property
    def is_margin_move(self) -> bool:
        """Whether money was to be moved into a position, or out of it."""
        return self.operation in MARGIN_MOVES

    @property
    def moves_money(self) -> bool:
        """Whether nothing is in force that a later command could settle."""
        return self.is_sweep or self.is_margin_move

    @property
    def position_side(self) -> str | None:
        """The position that is meant, where the request says so."""
        side = self.request.get("position_side")
        return None if side is None else str(side)

    @property
    def symbol(self) -> str | None:
        """The market it is about; None for a sweep, and for a position mode that is of more than one market."""
        return None if self.is_sweep else self.request.get("symbol")

    @property
    def is_of_position_mode(self) -> bool:
        """Whether a position mode is in doubt, and no terms of a market."""
        return self.operation == POSITION_MODE

    @property
    def asset(self) -> str | None:
        """The asset it is about; None for a sweep of all."""
        return self.subject or None if self.is_sweep else None

    @property
    def market_type(self) -> MarketType:
        """The kind of market it is about."""
        return MarketType(self.request.get("market_type", MarketType.SWAP))

    @property
    def wanted(self) -> dict[str, Any]:
        """What was to be in force."""
        return wanted_of(self.operation, self.request)


@dataclass(frozen=True, slots=True)
class Ended:
    """A doubt that a later command has ended; `result` is the JSON of that one's event."""

    doubt: Doubt
    result: str


def wanted_of(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a request wants to be in force, or done.

    >>> wanted_of("set_leverage", {"symbol": "BTC/USDT:USDT", "leverage": 10})
    {'leverage': 10}
    >>> wanted_of("pm_asset_collect", {"asset": "USDT"}), wanted_of("pm_auto_collect", {})
    ({'collected': 'USDT'}, {'collected': 'all but BNB'})
    """
    if operation in MARGIN_MOVES:
        return {MARGIN_MOVES[operation]: request["amount"]}
    if operation in SWEEPS:
        return {"collected": request.get("asset", ALL_BUT_BNB)}
    return {name: request[name] for name in ("leverage", "margin_mode", "position_mode") if name in request}


_COLUMNS = (
    "commands.request, doubts.command, doubts.account, doubts.operation, doubts.subject, commands.exchange, "
    "commands.actor, doubts.since, doubts.tries, doubts.next_look, doubts.problem"
)
# SQLite reads the tables of a cross join in the order in which they are named: the doubts first, which are few.
_DOUBTS = f"SELECT {_COLUMNS} FROM doubts CROSS JOIN commands WHERE commands.id = doubts.command"

# A command that is on its way to the venue, or came back from it after it was asked, may have changed what was read.
_RIVAL = "account = $2 AND id <> $1 AND intended IS NOT NULL AND (operation = $4 OR operation = $5 OR request LIKE $6)"
_UNCHANGED = (  # two queries, for each has an index of its own
    f"NOT EXISTS (SELECT 1 FROM commands WHERE finished IS NULL AND deadline > 0 AND {_RIVAL}) "
    f"AND NOT EXISTS (SELECT 1 FROM commands WHERE finished >= $3 AND {_RIVAL})"
)


def _doubt(row: Row) -> Doubt:
    return Doubt(orjson.loads(str(row[0])), *row[1:])  # type: ignore[arg-type]  # typed by the schema


class Doubts:
    """What is in doubt. Every call that reads or writes raises LedgerUnavailable."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._doubted: dict[str, object] = {}
        self.ended: deque[Ended] = deque()
        """Ended by commands of this worker, and not told yet. A worker that dies leaves them to be looked at."""
        self.news = asyncio.Event()
        """Set when there is a doubt more, or one that has ended."""

    def heard_of(self, account: str) -> None:
        """The account has doubts."""
        self._doubted[account] = object()

    def may_concern(self, account: str, outcome: str) -> bool:
        """Whether a command that has ended so may begin a doubt, or end one: in the usual case it does neither."""
        return outcome == Outcome.UNKNOWN or account in self._doubted

    def begun(self, setting: Setting, outcome: str, command: str, at: Milliseconds) -> tuple[Statement, ...]:
        """What has to be written when a command about a setting has ended so."""
        if outcome != Outcome.UNKNOWN:
            return ()
        self.heard_of(setting.account)
        sql = (
            "INSERT INTO doubts (account, operation, subject, command, since, next_look) "
            "VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (command) DO NOTHING"
        )
        return (Statement(sql, (*setting, command, at)),)

    async def ended_by(self, setting: Setting, outcome: str) -> list[Doubt]:
        """The doubts that a command ends which has ended so; to be asked while the account is its own.

        Money that was moved tells nothing of an earlier move.
        """
        known = self._doubted.get(setting.account)
        if known is None or not Outcome(outcome).succeeded:
            return []
        doubts = await self.of(setting.account)
        if not doubts and self._doubted.get(setting.account) is known:
            del self._doubted[setting.account]
        return [doubt for doubt in doubts if not doubt.moves_money and _about(doubt) == setting]

    def end(self, doubts: Iterable[Doubt], result: str) -> None:
        """A command has ended doubts: they will be told."""
        self.ended.extend(Ended(doubt, result) for doubt in doubts)

    async def all(self) -> list[Doubt]:
        """All doubts, the oldest first, though no more than can be listed."""
        query = f"{_DOUBTS} ORDER BY doubts.since, doubts.command LIMIT {MOST_LISTED}"
        return [_doubt(row) for row in await self._database.read(Statement(query))]

    async def of(self, account: str) -> list[Doubt]:
        """The doubts about an account, the oldest first."""
        query = f"{_DOUBTS} AND doubts.account = $1 ORDER BY doubts.since, doubts.command"
        return [_doubt(row) for row in await self._database.read(Statement(query, (account,)))]

    async def of_command(self, command: str) -> tuple[Doubt | None, dict[str, Any] | None]:
        """What a command has left in doubt, or how that ended."""
        doubts = await self._database.read(Statement(f"{_DOUBTS} AND doubts.command = $1", (command,)))
        told = await self._database.read(Statement("SELECT resolution FROM commands WHERE id = $1", (command,)))
        return (_doubt(doubts[0]) if doubts else None), (orjson.loads(str(told[0][0])) if told and told[0][0] else None)

    async def next_looks(self) -> dict[str, Milliseconds]:
        """When the next look at each account is due that has doubts."""
        rows = await self._database.read(Statement("SELECT account, MIN(next_look) FROM doubts GROUP BY account"))
        return {str(account): int(at or 0) for account, at in rows}

    async def put_off(
        self, doubts: Iterable[Doubt], until: Milliseconds, problem: str | None = None, *, tried: int = 0
    ) -> None:
        """Look at doubts again no earlier than this."""
        sql = "UPDATE doubts SET next_look = $2, problem = $3, tries = tries + $4 WHERE command = $1"
        rows: Iterable[tuple[Value, ...]] = ((doubt.command, until, problem, tried) for doubt in doubts)
        await self._database.write(*(Statement(sql, row) for row in rows), durable=False)

    async def resolve(
        self, doubt: Doubt, told: Outgoing, resolution: str, at: Milliseconds, *, read: Milliseconds | None = None
    ) -> int:
        """End a doubt, with the event that tells how; the event's position in the outbox.

        Raises NothingMatched when it has ended meanwhile, or when what was `read` then may have been changed since.
        """
        deletion = "DELETE FROM doubts WHERE command = $1"
        if read is None:
            ending = Statement(f"{deletion} RETURNING command", (doubt.command,), must_match=True)
        else:
            values = (doubt.command, doubt.account, read, *_rivals(doubt))
            ending = Statement(f"{deletion} AND {_UNCHANGED} RETURNING command", values, must_match=True)
        keeping = Statement("UPDATE commands SET resolution = $1 WHERE id = $2", (resolution, doubt.command))
        *_, positions = await self._database.write(ending, keeping, insertion(told, self._owner, at))
        return int(positions[0][0] or 0)

    async def oldest(self) -> tuple[int, Milliseconds | None]:
        """How many settings and sweeps are in doubt, and since when the oldest is."""
        settings = "SELECT MIN(since) AS since FROM doubts GROUP BY account, operation, subject"
        ((count, since),) = await self._database.read(
            Statement(f"SELECT COUNT(*), MIN(since) FROM ({settings}) AS settings")
        )
        return int(count or 0), None if since is None else int(since)

    async def forget(self, before: Milliseconds) -> None:
        """Delete those that are older."""
        await self._database.write(Statement("DELETE FROM doubts WHERE since < $1", (before,)), durable=False)


def _about(doubt: Doubt) -> Setting:
    return Setting(doubt.account, doubt.operation, doubt.subject)


def _rivals(doubt: Doubt) -> tuple[str, str, str]:
    """Commands that change the same: two operations by name, and a pattern of requests.

    A margin mode may be that of the whole account, and so may a position mode, with which a market may have another
    leverage; in SQL's patterns a symbol matches at least itself.
    """
    if doubt.moves_money:
        first, second = sorted(SWEEPS if doubt.is_sweep else MARGIN_MOVES)
        return first, second, ""
    if doubt.is_of_position_mode:
        return POSITION_MODE, "", ""
    return "set_margin_mode", POSITION_MODE, f'%"symbol":{orjson.dumps(doubt.subject).decode()}%'
