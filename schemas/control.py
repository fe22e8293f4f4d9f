"""Operations on the service itself, which no venue is asked for: what became of a command, freezes, how it fares."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator
from typing_extensions import TypeAliasType

from .audit.chain import Link
from .base import Milliseconds, WireModel
from .envelope import Failure, failure
from .outcomes import ErrorCode
from .requests import AccountId

Exchange = TypeAliasType("Exchange", Literal["binance", "bybit", "gate", "okx", "hyperliquid"])
"""The venues, as requests and the registry name them."""

Network = TypeAliasType("Network", Literal["mainnet", "testnet", "demo"])
"""Which of a venue's networks: the real one, or one where money is play money."""

EVERYTHING = "all"
"""The scope of a freeze that spares nothing."""

CommandId = Annotated[
    str,
    Field(
        pattern=r"^[!-~]{1,128}$",
        description="The `message_id` or `Idempotency-Key` that the command was sent with, or its `Command-Id`",
        examples=["7f0c1f6e-6a55-4a5f-9c6e-0d3f4f0f8f11"],
    ),
]


LONGEST_WHY = 500

Why = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_WHY,
        # One line: it stands in answers, tables and logs. No database keeps a text with a NUL.
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Why it is done; the audit keeps it",
        examples=["the leverage was mistyped"],
    ),
]


ENCODED_WHY = rf"^([!-$&-~]|%([2-689A-Fa-f][0-9A-Fa-f]|7[0-9A-Ea-e])){{1,{LONGEST_WHY}}}$"
"""The same in a header, percent-encoded (RFC 3986): no control character, and none that a header has not as itself."""


class ControlRequest(WireModel):
    """A request about the service itself; it need not name an account."""


class GetCommand(ControlRequest):
    """Read what became of a command."""

    command_id: CommandId


def unknown_command(command_id: str) -> Failure:
    """What is told of a command that is not known, and of one that is not for who asks."""
    message = (
        f"no command {command_id} is known: it has not reached a worker yet, was refused on receipt, "
        "or its record is older than the retention"
    )
    return failure(ErrorCode.UNKNOWN_COMMAND, message, details={"command_id": command_id})


class GetStatus(ControlRequest):
    """Read how a worker fares: whether its ledger can be written, and the venues as it finds them."""


class GetFreezes(ControlRequest):
    """Read what is frozen."""


class GetDoubts(ControlRequest):
    """Read what is in doubt: commands that ended as `unknown`, until something shows what is in force."""


_ONE_SCOPE: list[JsonValue] = [
    {"required": ["exchange_account_id"], "properties": {"exchange_account_id": {"type": "string"}}},
    {"required": ["exchange"], "properties": {"exchange": {"type": "string"}}},
    {"required": ["all"], "properties": {"all": {"const": True}}},
]


class FreezeScope(ControlRequest):
    """Exactly one of these: one account, one venue, or with `all` everything."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _ONE_SCOPE})

    exchange_account_id: AccountId | None = None
    exchange: Annotated[Exchange | None, Field(description="All accounts of a venue")] = None
    all: Annotated[bool, Field(description="Every account of every venue")] = False

    @model_validator(mode="after")
    def _names_one_scope(self) -> Self:
        if [self.exchange_account_id is not None, self.exchange is not None, self.all].count(True) != 1:
            raise ValueError("must name exactly one of exchange_account_id, exchange, and all = true")
        return self

    @property
    def scope(self) -> str:
        """The scope in one word: `account:<id>`, `exchange:<name>` or `all`."""
        if self.exchange_account_id is not None:
            return f"account:{self.exchange_account_id}"
        return f"exchange:{self.exchange}" if self.exchange is not None else EVERYTHING


class Freeze(FreezeScope):
    """Refuse every change of an account, a venue or everything from now on. Queries go on, and it outlives restarts."""

    reason: Annotated[Why, Field(description="Told to everybody who is refused")]


class Unfreeze(FreezeScope):
    """Allow changes again. Each scope is lifted by itself: an account stays frozen while its venue is."""

    reason: Why | None = None


class CommandState(StrEnum):
    """How far a command has come."""

    RECEIVED = "received"
    SENT = "sent"
    FINISHED = "finished"


class DoubtState(WireModel):
    """What a command that ended as `unknown` has left in doubt. The venue is asked again and again what is in force."""

    command_id: str
    operation: str
    exchange: Exchange
    exchange_account_id: str
    actor: str | None
    symbol: Annotated[str | None, Field(description="The market it is about; null for a sweep")]
    asset: Annotated[str | None, Field(description="The asset that was to be swept; null where all were")]
    wanted: Annotated[dict[str, Any], Field(description="What was to be in force, or done")]
    since: Annotated[Milliseconds, Field(description="When its command ended")]
    tries: Annotated[int, Field(ge=0, description="How often the venue was asked since")]
    next_look: Annotated[Milliseconds, Field(description="When it is asked again, at the latest once it answers")]
    problem: Annotated[str | None, Field(description="Why it could not tell the last time")]


class Doubts(WireModel):
    """What is in doubt, the oldest first; no more than 10,000 are listed."""

    doubts: tuple[DoubtState, ...]
    count: int


class FreezeState(WireModel):
    """One freeze that is in force."""

    scope: Annotated[str, Field(description="`account:<id>`, `exchange:<name>` or `all`")]
    reason: str
    actor: Annotated[str | None, Field(description="Who froze it, as far as the bus or the token says")]
    since: Milliseconds


class Freezes(WireModel):
    """What is frozen."""

    freezes: tuple[FreezeState, ...]
    count: int


class FreezeChanged(WireModel):
    """Answer to freeze and unfreeze."""

    scope: str
    frozen: bool
    changed: Annotated[bool, Field(description="False where it was so already")]
    under_way: Annotated[
        tuple[str, ...],
        Field(description="Ids of commands that were sent before the freeze and have not ended yet; 100 at most"),
    ] = ()


class VenueHealth(StrEnum):
    """What a worker makes of a venue, by its own calls."""

    UP = "up"
    FAILING = "failing"
    DOWN = "down"


class VenueState(WireModel):
    """A venue as a worker finds it."""

    exchange: Exchange
    network: Annotated[Network, Field(description="All but `mainnet` have markets of their own")] = "mainnet"
    health: Annotated[
        VenueHealth, Field(description="`failing`: some calls fail; `down`: no call gets through, or no markets")
    ]
    markets_loaded: bool
    since: Milliseconds
    reason: Annotated[str | None, Field(description="The last failure, while there is one")]


class VenueStatus(VenueState):
    """A venue as a worker finds it, and how often its accounts are read there."""

    snapshot_interval_ms: Annotated[
        Milliseconds,
        Field(
            ge=0, description="How often each account is read on schedule, as far as the venue's limits allow; 0: never"
        ),
    ]


class StreamHealth(StrEnum):
    """Whether an account's private streams tell of its changes."""

    LIVE = "live"
    BLIND = "blind"
    NONE = "none"


class StreamState(WireModel):
    """Whether an account is followed by its venue's private streams."""

    exchange: Exchange
    exchange_account_id: str
    state: Annotated[
        StreamHealth,
        Field(
            description="`live`: changes are pushed, and the account was read since; `blind`: they are not, for now; "
            "`none`: it is only polled"
        ),
    ]
    since: Annotated[Milliseconds, Field(description="Blind: since when pushes may be missing")]
    reason: Annotated[str | None, Field(description="Why it is not live")] = None


class StreamStatus(StreamState):
    """The same, and how often the account is read beside."""

    poll_interval_ms: Annotated[
        int, Field(ge=0, description="How often it is read on schedule while this holds; 0: never")
    ]


class LimitState(WireModel):
    """What is left of one of a venue's limits. Of those that count by user, it is where least is left."""

    exchange: Exchange
    network: Network
    scope: Annotated[str, Field(description="The limit, by its name in our tables")]
    by_user: Annotated[bool, Field(description="The venue counts it for each user, and else for each address")]
    limit: Annotated[int | None, Field(description="What the venue allows in its window; null where nobody counts")]
    left: Annotated[int | None, Field(description="What this worker may still use of it now; null where nobody counts")]
    closed_for_ms: Annotated[Milliseconds, Field(ge=0, description="How long the venue wants no more requests")]


class Status(WireModel):
    """How the worker that answered fares."""

    worker: Annotated[str, Field(description="Which worker answered")]
    ready: Annotated[bool, Field(description="Its ledger can be written, and a venue's markets are loaded")]
    ledger_writes: bool
    ledger_problem: Annotated[
        str | None, Field(description="Why the ledger can't be used, so that commands wait, and what to do")
    ] = None
    audit_head: Annotated[
        Link | None,
        Field(description="Where the audit's chain ends; null while the ledger can't be read. Note it elsewhere"),
    ] = None
    outbox: Annotated[int, Field(ge=0, description="Events that are recorded and not yet confirmed by the broker")]
    venues: tuple[VenueStatus, ...]
    accounts: Annotated[int, Field(ge=0, description="Exchange accounts that it serves now")]
    streams: Annotated[
        tuple[StreamStatus, ...],
        Field(description="How each account is followed by its venue's private streams, whichever worker follows it"),
    ] = ()
    limits: Annotated[
        tuple[LimitState, ...], Field(description="What is left of the venues' limits, as far as this worker uses them")
    ] = ()
    registry_problem: Annotated[
        str | None, Field(description="Why the account registry as it is now is not in force; the one before it is")
    ] = None
