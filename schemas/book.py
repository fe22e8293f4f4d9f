"""The present of all accounts in one answer: which there are, what they hold, and what was asked of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from .base import LATEST, Count, Milliseconds, Money, WireModel
from .control import CommandState, ControlRequest, DoubtState, Exchange, Network, StreamStatus
from .events import ConfirmedBy, PositionSnapshot, Timings
from .guardrails import Guardrails
from .margin import MarginLevel, NearestLiquidation
from .outcomes import Outcome, Scope
from .replies import AccountType, Position
from .requests import AccountId, Symbol

MOST_COMMANDS = 1_000


class GetAccounts(ControlRequest):
    """List the exchange accounts that are served, with the age of what is known of each."""


class SnapshotMark(WireModel):
    """The newest snapshot of an account, without its positions."""

    epoch: Annotated[int, Field(ge=0, description="The ledger's epoch in which it was counted")]
    seq: Count
    as_of: Annotated[Milliseconds, Field(description="When the venue showed what it holds, UTC ms")]
    confirmed: Annotated[
        Milliseconds, Field(description="When the venue was asked last; where it is later, nothing had changed, UTC ms")
    ]
    age_ms: Annotated[Milliseconds, Field(ge=0, description="From `confirmed` to this answer")]
    stale: Annotated[bool, Field(description="The venue can't be read: positions are the last ones known")]


class AutoCollect(WireModel):
    """When an account is swept by schedule."""

    schedule: Annotated[str, Field(description="As the registry has it, UTC", examples=["daily 00:05"])]
    next_slot: Annotated[Milliseconds, Field(description="When it is due next")]


class Thresholds(WireModel):
    """From which margin ratio on an account's pools are told as in danger, as the registry has it."""

    warn: Money
    critical: Money
    hysteresis: Annotated[Money, Field(description="How far below a threshold its level is left")]


class ServedAccount(WireModel):
    """An exchange account that is served."""

    exchange_account_id: str
    exchange: Exchange
    network: Network
    region: Annotated[str | None, Field(description="The legal house of the venue; null for its main one")]
    account_type: AccountType
    capabilities: Annotated[tuple[str, ...], Field(description="What the venue lets this type of account do")]
    frozen: Annotated[
        tuple[str, ...], Field(description="The freezes that hold it: `account:<id>`, `exchange:<name>`, `all`")
    ]
    guardrails: Annotated[Guardrails, Field(description="What its commands may do at most, by the registry")]
    policy: Annotated[str, Field(description="The version of these; a command's is of those of its token as well")]
    auto_collect: Annotated[
        AutoCollect | None, Field(description="When it is swept by itself; null where it is not")
    ] = None
    margin_thresholds: Annotated[Thresholds, Field(description="From which ratio on its margin is told as in danger")]
    stream: Annotated[
        StreamStatus | None, Field(description="Whether its changes are pushed; null until that is known")
    ]
    snapshot: Annotated[SnapshotMark | None, Field(description="Null until its positions were asked for")]


class ServedAccounts(WireModel):
    """Answer to get_accounts, by id."""

    accounts: tuple[ServedAccount, ...]
    count: int


class GetSnapshots(ControlRequest):
    """Read the newest snapshot of each account, as it was recorded: the whole book in one answer.

    Nothing is asked of a venue. `next_offset` is where to go on in the stream `dma.events.log` without a gap: what is
    there from then on may repeat a snapshot of this answer, and a `seq` that is not higher tells that.
    """

    exchange_account_id: AccountId | None = None
    exchange: Exchange | None = None
    symbol: Annotated[Symbol | None, Field(description="Only positions of this market; every account is listed")] = None


class MarginMark(WireModel):
    """How near an account is to liquidation, as it was told last; `get_margin_health` asks the venue."""

    as_of: Annotated[Milliseconds, Field(description="When the venue was asked, UTC ms")]
    seq: Annotated[Count, Field(description="Of the margin event that tells all of it")]
    level: MarginLevel
    worst_ratio: Annotated[Money | None, Field(description="1 is liquidation; null where no pool has a ratio")]
    nearest_liquidation: NearestLiquidation | None


class BookEntry(PositionSnapshot):
    """The newest snapshot of an account, with the epoch it was counted in, and how old it is."""

    epoch: Annotated[int, Field(ge=0, description="The ledger's epoch in which it was counted")]
    confirmed: Annotated[
        Milliseconds, Field(description="When the venue was asked last; where it is later, nothing had changed, UTC ms")
    ]
    age_ms: Annotated[Milliseconds, Field(ge=0, description="From `confirmed` to this answer")]
    margin: Annotated[MarginMark | None, Field(description="Null until its margin was read")] = None


class Total(WireModel):
    """One market of one venue over all accounts of the answer; no two currencies are ever added."""

    exchange: Exchange
    symbol: str
    accounts: Annotated[int, Field(ge=1, description="How many accounts hold it")]
    long_notional: Annotated[Money, Field(description="In `notional_currency`")]
    short_notional: Annotated[Money, Field(description="In `notional_currency`, positive")]
    notional_currency: str
    unrealized_pnl: Annotated[Money, Field(description="In `pnl_currency`")]
    pnl_currency: str
    stale: Annotated[bool, Field(description="Whether a part of it is of an account that can't be read")]


class Book(WireModel):
    """Answer to get_snapshots, by account."""

    snapshots: tuple[BookEntry, ...]
    count: int
    missing: Annotated[
        tuple[str, ...], Field(description="Accounts that are meant and whose positions were never read yet")
    ]
    totals: tuple[Total, ...]
    next_offset: Annotated[
        Count, Field(ge=0, description="Where to go on in the stream of events; all after this answer is behind it")
    ]


class GetCommands(ControlRequest):
    """List commands: first all that are under way, then those that ended, the last of them first.

    Those under way, 10,000 at most, are on top of the limit, and only where no cursor is given. An answer that is not
    all there is comes with `next_cursor`. It may have few rows or none, where many commands had to be passed over; the
    same request with the cursor goes on.
    """

    exchange_account_id: AccountId | None = None
    exchange: Exchange | None = None
    operation: Annotated[str | None, Field(max_length=64)] = None
    outcome: Outcome | None = None
    actor: Annotated[str | None, Field(max_length=200)] = None
    since: Annotated[
        Milliseconds | None,
        Field(ge=0, le=LATEST, description="Only what ended then or later, and what is under way, UTC ms"),
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_COMMANDS, description="How many of those that have ended")] = 100
    cursor: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,18}\.[!-~]{1,128}$", description="Where to go on: the `next_cursor` of the answer before"
        ),
    ] = None


class CommandRow(WireModel):
    """A command, with what was asked, what came of it, and how that is known."""

    command_id: str
    operation: str
    exchange: Exchange
    exchange_account_id: str
    actor: str | None
    state: CommandState
    outcome: Annotated[Outcome | None, Field(description="How it ended; null until then")]
    requested: Annotated[dict[str, Any], Field(description="The request, as it was understood")]
    applied: Annotated[dict[str, Any] | None, Field(description="The setting as the venue confirmed it")]
    confirmed_by: ConfirmedBy | None
    scope: Scope | None
    message: Annotated[str | None, Field(description="What its caller was told; null until then")]
    venue_code: str | None
    attempts: Annotated[int, Field(ge=0, description="How often the change was sent to the venue")]
    received: Milliseconds
    intended: Annotated[
        Milliseconds | None, Field(description="When its first attempt was recorded, to be sent at once; null before")
    ]
    deadline: Milliseconds
    finished: Milliseconds | None
    timings: Annotated[Timings | None, Field(description="Null until it has ended")]
    trace: Annotated[str | None, Field(description="The trace that it belongs to (W3C traceparent)")]


class CommandStatus(CommandRow):
    """What is known of a command: its row, its event, and what it has left in doubt."""

    event_id: Annotated[str, Field(description="Id of its result event, published when it is finished")]
    event_published: Annotated[
        bool | None, Field(description="Whether the broker has confirmed that event; null until there is one")
    ]
    progress: Annotated[
        dict[str, Any] | None,
        Field(description="How far a command has come that applies terms: the data of that event, perps-dma.terms.v1"),
    ] = None
    doubt: Annotated[DoubtState | None, Field(description="What it has left in doubt; null once that has ended")] = None
    resolution: Annotated[
        dict[str, Any] | None, Field(description="How its doubt ended: the data of that event, perps-dma.doubt.v1")
    ] = None


class CommandList(WireModel):
    """Answer to get_commands."""

    commands: tuple[CommandRow, ...]
    count: int
    next_cursor: Annotated[str | None, Field(description="There may be more: the same request with it goes on")]


def totals_of(snapshots: Iterable[BookEntry]) -> tuple[Total, ...]:
    """Notional and unrealized PnL by venue and market, each in the currency that it is in."""
    held: defaultdict[tuple[Exchange, str], list[tuple[BookEntry, Position]]] = defaultdict(list)
    for snapshot in snapshots:
        for position in snapshot.positions:
            held[snapshot.exchange, position.symbol].append((snapshot, position))
    return tuple(_total(exchange, symbol, rows) for (exchange, symbol), rows in sorted(held.items()))


def _total(exchange: Exchange, symbol: str, rows: list[tuple[BookEntry, Position]]) -> Total:
    quote, settle = currencies_of(symbol)
    return Total(
        exchange=exchange,
        symbol=symbol,
        accounts=len({snapshot.exchange_account_id for snapshot, _ in rows}),
        long_notional=sum((row.notional for _, row in rows if row.side == "long"), Decimal()),
        short_notional=sum((row.notional for _, row in rows if row.side == "short"), Decimal()),
        notional_currency=quote,
        unrealized_pnl=sum((row.unrealized_pnl for _, row in rows), Decimal()),
        pnl_currency=settle,
        stale=any(snapshot.stale for snapshot, _ in rows),
    )


def currencies_of(symbol: str) -> tuple[str, str]:
    """The quote and the settle currency of a unified symbol.

    >>> currencies_of("BTC/USDT:USDT"), currencies_of("BTC/USD:BTC-260327")
    (('USDT', 'USDT'), ('USD', 'BTC'))
    """
    pair, _, settled = symbol.partition(":")
    return pair.partition("/")[2], settled.partition("-")[0]


def limited(book: Book, may_name: Callable[[str], bool]) -> Book:
    """The same for who may read of some accounts only: their snapshots, and totals of those."""
    shown = tuple(row for row in book.snapshots if may_name(row.exchange_account_id))
    missing = tuple(filter(may_name, book.missing))
    return book.model_copy(
        update={"snapshots": shown, "count": len(shown), "missing": missing, "totals": totals_of(shown)}
    )
