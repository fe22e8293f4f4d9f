"""What became of commands: their results, doubts and how they end, terms that are applied and kept."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from ..base import Milliseconds, Money, WireModel
from ..control import Exchange
from ..envelope import Envelope
from ..outcomes import Outcome, Scope
from ..requests import MarginMode, PositionMode
from ..terms import KeepingChanged, TermsProgress
from .attributes import CloudEvent


class ConfirmedBy(StrEnum):
    """How we know."""

    ECHO = "echo"
    READ_BACK = "read_back"


class Timings(WireModel):
    """When things happened, UTC milliseconds; null for what never did."""

    received: Milliseconds
    sent: Annotated[Milliseconds | None, Field(description="First request to the venue that could change something")]
    finished: Milliseconds
    deadline: Milliseconds
    venue: Annotated[float, Field(description="Milliseconds spent waiting for the venue")]
    turn: Annotated[
        Milliseconds | None, Field(description="When it was its turn on its account, among all workers")
    ] = None
    permit: Annotated[
        Milliseconds | None,
        Field(description="When the venue's limits had room for what was sent; else for the last that was read"),
    ] = None
    answered: Annotated[
        Milliseconds | None,
        Field(description="When the venue had answered last, or was given up: echo, read-back, refusal"),
    ] = None


class CommandResult(WireModel):
    """What became of a command."""

    command_id: str
    operation: str
    exchange: Exchange
    exchange_account_id: str
    actor: Annotated[str | None, Field(description="Who asked, as far as the bus or the token says")]
    outcome: Outcome
    requested: Annotated[
        dict[str, Any], Field(description="The request, as it was understood, without what was not given")
    ]
    applied: Annotated[dict[str, Any] | None, Field(description="The setting as the venue confirmed it")]
    confirmed_by: ConfirmedBy | None
    scope: Scope | None
    venue_code: str | None
    venue_response: Annotated[Any, Field(description="The venue's raw answer to the change, or to its read-back")]
    attempts: Annotated[int, Field(ge=0, description="How often the change was sent to the venue")]
    policy: Annotated[
        str | None,
        Field(
            description="The guardrails that it was checked against, of account and token together: a hash over their "
            "canonical form; null for what ended before it was checked"
        ),
    ] = None
    timings: Timings
    envelope: Annotated[Envelope, Field(description="What the caller was answered")]


def result_key(operation: str, exchange: str, account: str) -> str:
    """Where what became of a command goes on `dma.events`."""
    return f"result.{operation}.{exchange}.{account}"


class ResultEvent(CloudEvent):
    """Routing key `result.<operation>.<exchange>.<account>`."""

    type: Literal["perps-dma.result.v1"] = "perps-dma.result.v1"
    traceparent: Annotated[
        str | None, Field(description="The trace that the command belongs to (W3C; CloudEvents distributed tracing)")
    ] = None
    data: CommandResult

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return result_key(self.data.operation, self.data.exchange, self.data.exchange_account_id)


class InForce(WireModel):
    """The terms of a market, or a position mode, as the venue showed it, or as a later command has set it."""

    leverage: Annotated[Money | None, Field(description="Of several sides the highest; null where it was not told")]
    margin_mode: Annotated[MarginMode | None, Field(description="Null where it was not told")]
    position_mode: Annotated[
        PositionMode | None, Field(description="Null where it was not asked about, or parts of the account differ")
    ] = None
    sides: Annotated[
        tuple[Money, ...], Field(description="The leverage of each side, where a venue keeps several")
    ] = ()


class DoubtResolution(WireModel):
    """What is in force after a command that had ended as `unknown`, and how that is known.

    A sweep leaves nothing in force, and neither does margin that was moved: whether it took place can't be known, and
    is never tried again. The balances, or the margin, as they were read afterwards are all there is to tell.
    """

    exchange: Exchange
    exchange_account_id: str
    operation: str
    command_id: Annotated[str, Field(description="The command whose doubt has ended")]
    actor: str | None
    symbol: Annotated[str | None, Field(description="The market it is about; null for a sweep")]
    asset: Annotated[str | None, Field(description="The asset that was to be swept; null where all were")]
    wanted: Annotated[dict[str, Any], Field(description="What was to be in force, or done")]
    in_force: Annotated[InForce | None, Field(description="Null where money was to be moved")]
    as_wanted: Annotated[bool | None, Field(description="Whether what is in force is what was wanted; null if unknown")]
    confirmed_by: ConfirmedBy
    settled_by: Annotated[str | None, Field(description="The later command that set it; null where it was read back")]
    balances: Annotated[
        dict[str, dict[str, Any]] | None,
        Field(
            description="For a sweep: by asset, as pm_get_balance tells them; without the asset it has none. "
            "For margin that was moved: by symbol, the margin that the position has; none where it is gone"
        ),
    ]
    since: Annotated[Milliseconds, Field(description="When the command ended")]
    as_of: Annotated[Milliseconds, Field(description="When the venue was asked, or the later command ended")]
    resolved: Milliseconds
    message: Annotated[str, Field(description="The same in words")]


class DoubtEvent(CloudEvent):
    """The doubt that a command had left has ended. Routing key `control.doubt.<exchange>.<account>`."""

    type: Literal["perps-dma.doubt.v1"] = "perps-dma.doubt.v1"
    data: DoubtResolution

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.doubt.{self.data.exchange}.{self.data.exchange_account_id}"


class TermsEvent(CloudEvent):
    """Terms are being applied to an account. Routing key `terms.<exchange>.<account>`."""

    type: Literal["perps-dma.terms.v1"] = "perps-dma.terms.v1"
    data: TermsProgress

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"terms.{self.data.exchange}.{self.data.exchange_account_id}"


class KeepEvent(CloudEvent):
    """A document of terms is kept, suspended or dropped. Routing key `control.keep.<exchange>.<account>`."""

    type: Literal["perps-dma.keep.v1"] = "perps-dma.keep.v1"
    data: KeepingChanged

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.keep.{self.data.exchange}.{self.data.exchange_account_id}"
