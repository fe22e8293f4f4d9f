"""Terms as a document: what an account's symbols shall have, the plan that follows, and how it is carried out."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from .base import Milliseconds, Money, Number, WireModel
from .control import CommandId, ControlRequest, Exchange
from .outcomes import ErrorCode, Outcome
from .requests import MOST_LEVERAGE, AccountId, MarginMode, Market, MarketType, PositionMode, Request

MOST_SYMBOLS = 2_000
"""More than any venue lists."""

SELECTION = r"^(open|all|all [A-Z0-9]{1,20} perpetuals)$"

SomeLeverage = Annotated[
    Number | None,
    Field(
        gt=0,
        le=MOST_LEVERAGE,
        description="Leverage as a multiple, 10 for 10x",
        examples=[3],
        json_schema_extra={"exclusiveMinimum": 0, "maximum": MOST_LEVERAGE},
    ),
]


class DesiredTerms(WireModel):
    """What a symbol shall have; what is not named is left as it is."""

    leverage: SomeLeverage = None
    margin_mode: Annotated[MarginMode | None, Field(description="The margin mode wanted")] = None


NOTHING = DesiredTerms()
"""Everything is left as it is."""


_SAYS_SOMETHING: list[JsonValue] = [
    {"required": ["symbols"], "properties": {"symbols": {"type": "object", "minProperties": 1}}},
    {"required": ["select"], "properties": {"select": {"type": "string"}}},
    {"required": ["position_mode"], "properties": {"position_mode": {"type": "string"}}},
]
_ON_SOME_GROUNDS: list[JsonValue] = [
    {"required": ["fingerprint"], "properties": {"fingerprint": {"type": "string"}, "force": {"const": False}}},
    {"required": ["force"], "properties": {"fingerprint": {"type": "null"}, "force": {"const": True}}},
]


class TermsDocument(Request):
    """What the symbols of an account shall have.

    The symbols that are named have their own terms, and from `defaults` what these leave open. `select` adds those with
    an open position (`open`), all of the venue (`all`), or all perpetuals that settle in a currency (`all USDT
    perpetuals`), with the defaults.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": _SAYS_SOMETHING})

    market_type: Market = MarketType.SWAP
    position_mode: Annotated[
        PositionMode | None,
        Field(
            description="For the account, or for each settle currency of the symbols where a venue keeps one for each"
        ),
    ] = None
    defaults: Annotated[DesiredTerms | None, Field(description="For what a symbol leaves open")] = None
    symbols: Annotated[
        dict[str, DesiredTerms] | None,
        Field(
            max_length=MOST_SYMBOLS,
            description="By unified symbol",
            examples=[{"BTC/USDT:USDT": {"leverage": 3}}],
        ),
    ] = None
    select: Annotated[
        str | None, Field(pattern=SELECTION, description="Which symbols beside those", examples=["open"])
    ] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.symbols and self.select is None and self.position_mode is None:
            raise ValueError("names nothing: give symbols, select, or position_mode")
        return self

    def wanted(self, symbol: str) -> DesiredTerms:
        """What a symbol shall have, of its own and by default."""
        own, default = (self.symbols or {}).get(symbol) or NOTHING, self.defaults or NOTHING
        return DesiredTerms(
            leverage=default.leverage if own.leverage is None else own.leverage,
            margin_mode=default.margin_mode if own.margin_mode is None else own.margin_mode,
        )


class PlanTerms(TermsDocument):
    """See what would have to change for an account to be as a document says. Changes nothing."""


class ApplyTerms(TermsDocument):
    """Make an account as a document says. With the `fingerprint` of a plan only what that plan showed is done.

    Each symbol is changed and confirmed by itself, with margin mode before leverage, and other commands of the account
    go between. It may take minutes: its progress is told by events, and it can be cancelled between two symbols.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": _SAYS_SOMETHING, "oneOf": _ON_SOME_GROUNDS})

    fingerprint: Annotated[
        str | None, Field(min_length=1, max_length=64, description="Of the plan that is to be carried out")
    ] = None
    force: Annotated[bool, Field(description="Carry it out whatever is in force now")] = False

    @model_validator(mode="after")
    def _says_on_what_grounds(self) -> Self:
        if (self.fingerprint is None) is not self.force:
            raise ValueError("must have either the fingerprint of a plan, or force = true")
        return self


class CancelCommand(ControlRequest):
    """Stop a command that applies terms before its next symbol. What was sent before stays as it is told."""

    command_id: CommandId
    exchange_account_id: Annotated[AccountId | None, Field(description="Where given, it must be the command's")] = None


class KeepTerms(TermsDocument, ControlRequest):
    """Keep an account as a document says from now on: drift from it is mended, until that is dropped or suspended."""


class GetTerms(ControlRequest):
    """Read which documents are kept, and what was mended of them."""

    exchange_account_id: Annotated[AccountId | None, Field(description="Only that of an account")] = None


class DropTerms(ControlRequest):
    """Keep the document of an account no more. What is in force stays."""

    exchange_account_id: AccountId


class PlannedState(StrEnum):
    """What a plan has found of a symbol."""

    CHANGE = "change"
    UNCHANGED = "unchanged"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


class TermsNow(WireModel):
    """What a symbol has now; null for what the venue does not tell."""

    leverage: Money | None
    margin_mode: MarginMode | None


class PlannedSymbol(WireModel):
    """What a plan says of a symbol: what it has, what it shall have, and what follows."""

    symbol: str
    state: Annotated[
        PlannedState,
        Field(
            description="`change`: something is to be set; `unchanged`: it is so already; `impossible`: it can't be, "
            "see `reason`; `unknown`: the venue does not tell what it has, so that it is set"
        ),
    ]
    now: Annotated[TermsNow | None, Field(description="Null where the venue does not tell it")]
    then: DesiredTerms
    changes: Annotated[tuple[str, ...], Field(description="What is to be set, in that order")]
    code: Annotated[ErrorCode | None, Field(description="Why it can't be, for programs")] = None
    reason: Annotated[
        str | None, Field(description="Why it can't be, or is not known; of a change, how far it reaches")
    ] = None

    @property
    def name(self) -> str:
        """What it is about."""
        return self.symbol


class PlannedPositionMode(WireModel):
    """What a plan says of the position mode of the account, or of a settle currency."""

    part: Annotated[str, Field(description="The account's id, or the currency")]
    settle: Annotated[str | None, Field(description="Null where the account has one mode")]
    state: PlannedState
    now: Annotated[PositionMode | None, Field(description="Null where its markets differ, or the venue does not tell")]
    then: PositionMode
    changes: Annotated[tuple[str, ...], Field(description="`position_mode`, or nothing")]
    code: Annotated[ErrorCode | None, Field(description="Why it can't be, for programs")] = None
    reason: Annotated[str | None, Field(description="Why it can't be, or is not known")] = None

    @property
    def name(self) -> str:
        """What it is about."""
        return self.part


PlannedRow = PlannedPositionMode | PlannedSymbol


class LimitUse(WireModel):
    """What carrying a plan out takes of one of the venue's limits."""

    limit: Annotated[str, Field(description="The limit's name, as in the metrics")]
    weight: int
    capacity: Annotated[int, Field(description="How much of it there is in a window")]
    window_ms: Milliseconds


class PlanCost(WireModel):
    """What carrying a plan out takes, as far as the tables of the venue's limits tell."""

    requests: Annotated[int, Field(ge=0, description="Requests to the venue, with those that confirm")]
    limits: tuple[LimitUse, ...]
    seconds: Annotated[float, Field(ge=0, description="How long the venue's limits make it take at the least")]


class TermsPlan(WireModel):
    """Answer to plan_terms. The fingerprint stands for the document and for what was in force."""

    exchange: Exchange
    exchange_account_id: str
    fingerprint: str
    position_modes: Annotated[tuple[PlannedPositionMode, ...], Field(description="What is to be set first")]
    symbols: tuple[PlannedSymbol, ...]
    change: Annotated[int, Field(ge=0, description="Rows of either kind that are to be set; the next three likewise")]
    unchanged: int
    impossible: int
    unknown: int
    cost: PlanCost

    @property
    def rows(self) -> tuple[PlannedRow, ...]:
        """All that it says something of, in the order in which it is set."""
        return (*self.position_modes, *self.symbols)


class SymbolOutcome(WireModel):
    """What became of a symbol; `commands` are the ids of the commands that it took."""

    symbol: Annotated[str, Field(description="Of a position mode: the account, or the settle currency")]
    outcome: Outcome
    message: str
    commands: tuple[str, ...] = ()


class TermsApplied(WireModel):
    """Answer to apply_terms: the outcome of each symbol, and how many had each."""

    exchange: Exchange
    exchange_account_id: str
    position_modes: tuple[SymbolOutcome, ...]
    symbols: tuple[SymbolOutcome, ...]
    counts: Annotated[dict[str, int], Field(description="Position modes and symbols by their outcome")]
    cancelled: Annotated[bool, Field(description="It was stopped before its end")] = False


class ApplyStage(StrEnum):
    """How far applying terms has come."""

    ACCEPTED = "accepted"
    PROGRESS = "progress"


class TermsProgress(WireModel):
    """How far a command that applies terms has come. Its end is told by its result event."""

    command_id: str
    exchange: Exchange
    exchange_account_id: str
    actor: str | None
    stage: ApplyStage
    total: Annotated[int, Field(ge=0, description="Symbols of the plan, and position modes")]
    done: Annotated[int, Field(ge=0, description="Symbols whose outcome is known")]
    counts: Annotated[dict[str, int], Field(description="Symbols by their outcome, as far as it is known")]
    symbol: Annotated[str | None, Field(description="The last one whose outcome became known")] = None
    at: Milliseconds


class CommandCancelled(WireModel):
    """Answer to cancel_command."""

    command_id: str
    exchange_account_id: str
    cancelled: Annotated[bool, Field(description="False where it had ended already")]


class KeptState(StrEnum):
    """Whether drift from a document is mended."""

    KEPT = "kept"
    SUSPENDED = "suspended"
    DROPPED = "dropped"


class MendedSetting(WireModel):
    """A setting of a symbol that the keeper has set."""

    symbol: str
    setting: Annotated[str, Field(description="`leverage`, `margin_mode` or `position_mode`")]
    at: Milliseconds
    command_id: Annotated[str, Field(description="The command that applied it, by the actor `keeper`")]
    reversal: Annotated[bool, Field(description="It had been set within the hour, and somebody had set it back")]


class KeptDocument(WireModel):
    """A document that is kept, and how that fares."""

    exchange: Exchange
    exchange_account_id: str
    version: Annotated[int, Field(ge=1, description="Counts the documents of the account")]
    document: Annotated[dict[str, Any], Field(description="As it was given")]
    actor: Annotated[str | None, Field(description="Who has it kept")]
    since: Milliseconds
    state: KeptState
    reason: Annotated[str | None, Field(description="Why it is suspended")]
    looked: Annotated[Milliseconds | None, Field(description="When the account was compared with it last")]
    problem: Annotated[str | None, Field(description="Why it could not be, or not be mended, the last time")]
    mends: Annotated[int, Field(ge=0, description="Commands that mended it")]
    mended: Annotated[tuple[MendedSetting, ...], Field(description="What they set, the newest first; 50 at most")]


class KeptDocuments(WireModel):
    """Answer to get_terms."""

    terms: tuple[KeptDocument, ...]
    count: int


class KeepingChanged(WireModel):
    """A document is kept from now on, suspended, or kept no more. Also the answer to keep_terms and drop_terms."""

    exchange: Exchange
    exchange_account_id: str
    version: int
    state: KeptState
    reason: Annotated[str | None, Field(description="Why it is suspended")] = None
    actor: str | None
    at: Milliseconds


def counted(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many there are of each outcome, in the order of the outcomes."""
    found = Counter(outcomes)
    return {str(outcome): found[outcome] for outcome in Outcome if outcome in found}
