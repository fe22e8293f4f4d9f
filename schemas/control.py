"""Operations on the service itself, which no venue is asked for: what became of a command, freezes, how it fares."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from schemas.base import Milliseconds, WireModel
from schemas.outcomes import Outcome
from schemas.requests import AccountId

Exchange = Literal["binance", "bybit", "gate", "okx", "hyperliquid"]
"""The venues, as requests and the registry name them."""

Network = Literal["mainnet", "testnet", "demo"]
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


class ControlRequest(WireModel):
    """A request about the service itself; it need not name an account."""


class GetCommand(ControlRequest):
    """Read what became of a command."""

    command_id: CommandId


class GetStatus(ControlRequest):
    """Read how a worker fares: whether its ledger can be written, and the venues as it finds them."""


class GetFreezes(ControlRequest):
    """Read what is frozen."""


_ONE_SCOPE: list[JsonValue] = [
    {"required": ["exchange_account_id"], "properties": {"exchange_account_id": {"type": "string"}}},
    {"required": ["exchange"], "properties": {"exchange": {"type": "string"}}},
    {"required": ["all"], "properties": {"all": {"const": True}}},
]


class FreezeScope(ControlRequest):
    """One account, one venue, or with `all` everything."""

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

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            # One line: it stands in answers, tables and logs. No database keeps a text with a NUL.
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="Told to everybody who is refused",
        ),
    ]


class Unfreeze(FreezeScope):
    """Allow changes again. Each scope is lifted by itself: an account stays frozen while its venue is."""


class CommandState(StrEnum):
    """How far a command has come."""

    RECEIVED = "received"
    SENT = "sent"
    FINISHED = "finished"


class CommandStatus(WireModel):
    """What is known of a command."""

    command_id: str
    operation: str
    exchange: str
    exchange_account_id: str
    actor: str | None
    state: Annotated[CommandState, Field(description="`sent`: on its way to the venue, or about to be")]
    outcome: Annotated[Outcome | None, Field(description="How it ended; null until then")]
    message: Annotated[str | None, Field(description="What its caller was told; null until then")]
    attempts: Annotated[int, Field(ge=0, description="How often the change was sent to the venue")]
    received: Milliseconds
    deadline: Milliseconds
    finished: Milliseconds | None
    event_id: Annotated[str, Field(description="Id of its result event, published when it is finished")]


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

    exchange: str
    network: Annotated[Network, Field(description="All but `mainnet` have markets of their own")] = "mainnet"
    health: Annotated[
        VenueHealth, Field(description="`failing`: some calls fail; `down`: no call gets through, or no markets")
    ]
    markets_loaded: bool
    since: Milliseconds
    reason: Annotated[str | None, Field(description="The last failure, while there is one")]
    snapshot_interval_ms: Annotated[
        int | None,
        Field(
            ge=0, description="How often each account is read on schedule, as far as the venue's limits allow; 0: never"
        ),
    ] = None


class Status(WireModel):
    """How the worker that answered fares."""

    worker: Annotated[str, Field(description="Which worker answered")]
    ready: Annotated[bool, Field(description="Its ledger can be written, and a venue's markets are loaded")]
    ledger_writes: bool
    outbox: Annotated[int, Field(ge=0, description="Events that are recorded and not yet confirmed by the broker")]
    venues: tuple[VenueState, ...]
    accounts: Annotated[int, Field(ge=0, description="Exchange accounts that it serves now")]
    registry_problem: Annotated[
        str | None, Field(description="Why the account registry as it is now is not in force; the one before it is")
    ] = None
