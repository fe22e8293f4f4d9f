"""Events on `dma.events`: CloudEvents 1.0 in JSON, with ids that survive a restart."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import Field

from schemas.audit import Denial
from schemas.base import Milliseconds, Money, WireModel
from schemas.control import FreezeState, VenueState
from schemas.envelope import Envelope
from schemas.outcomes import Outcome
from schemas.replies import Position
from schemas.requests import MarginMode

EVENT_IDS = UUID("6f1dc5b0-3f0c-4d2e-9b56-7b0a54f6a1f4")
"""The namespace of event ids (UUID version 5)."""


class ConfirmedBy(StrEnum):
    """How we know."""

    ECHO = "echo"
    READ_BACK = "read_back"


class Scope(StrEnum):
    """How far a change reaches."""

    SYMBOL = "symbol"
    ACCOUNT = "account"


class Trigger(StrEnum):
    """Why a snapshot was taken."""

    COMMAND = "command"
    SCHEDULE = "schedule"
    STREAM = "stream"


class Timings(WireModel):
    """When things happened, UTC milliseconds; null for what never did."""

    received: Milliseconds
    sent: Annotated[Milliseconds | None, Field(description="First request to the venue that could change something")]
    finished: Milliseconds
    deadline: Milliseconds
    venue: Annotated[float, Field(description="Milliseconds spent waiting for the venue")]


class CommandResult(WireModel):
    """What became of a command."""

    command_id: str
    operation: str
    exchange: str
    exchange_account_id: str
    actor: Annotated[str | None, Field(description="Who asked, as far as the bus or the token says")]
    outcome: Outcome
    requested: Annotated[dict[str, Any], Field(description="The request, as it was understood")]
    applied: Annotated[dict[str, Any] | None, Field(description="The setting as the venue confirmed it")]
    confirmed_by: ConfirmedBy | None
    scope: Scope | None
    venue_code: str | None
    venue_response: Annotated[Any, Field(description="The venue's raw answer to the change, or to its read-back")]
    attempts: Annotated[int, Field(ge=0, description="How often the change was sent to the venue")]
    timings: Timings
    envelope: Annotated[Envelope, Field(description="What the caller was answered")]


class UnreadPart(WireModel):
    """A part of an account that could not be read whole, while others were."""

    part: str
    reason: Annotated[str, Field(description="With field, market and endpoint as the venue writes them")]


class PositionSnapshot(WireModel):
    """All open positions of an account at one instant."""

    exchange: str
    exchange_account_id: str
    seq: Annotated[
        int,
        Field(
            ge=1,
            description="Counts the snapshots of this account, without gaps within an `epoch`. Epoch and seq together "
            "order them: a later epoch may begin with a number that was there before",
        ),
    ]
    as_of: Annotated[Milliseconds, Field(description="When the venue was asked and showed these positions, UTC ms")]
    trigger: Trigger
    command_ids: Annotated[tuple[str, ...], Field(description="The commands it was taken after, for trigger `command`")]
    coverage: Annotated[
        tuple[str, ...], Field(description="The parts of the account that were read whole, such as linear and inverse")
    ]
    unread: Annotated[
        tuple[UnreadPart, ...],
        Field(description="The parts that were asked and not read whole: of positions there, nothing is said"),
    ] = ()
    stale: Annotated[bool, Field(description="The venue can't be read: positions are the last ones known")]
    positions: tuple[Position, ...]


class CloudEvent(WireModel):
    """The CloudEvents 1.0 attributes that all our events carry."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(description="Deterministic: the same logical event has the same id after any restart")]
    source: Literal["/perps-dma/worker"] = "/perps-dma/worker"
    subject: Annotated[str, Field(description="The exchange account, or what else the event is about")]
    time: Annotated[str, Field(description="UTC, RFC 3339")]
    epoch: Annotated[
        int | None,
        Field(
            ge=0,
            description="The ledger's epoch; later ones are higher. What was counted (`seq`) or frozen in an earlier "
            "one is replaced by what a later one tells. Null for events out of no ledger",
        ),
    ] = None
    datacontenttype: Literal["application/json"] = "application/json"


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


class PositionsEvent(CloudEvent):
    """Routing key `positions.<exchange>.<account>`."""

    type: Literal["perps-dma.positions.v1"] = "perps-dma.positions.v1"
    data: PositionSnapshot

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"positions.{self.data.exchange}.{self.data.exchange_account_id}"


class DriftedTerms(WireModel):
    """Leverage or margin mode of a position that changed, and not by a command of ours."""

    symbol: str
    side: str
    leverage_before: Money | None
    leverage: Money | None
    margin_mode_before: MarginMode | None
    margin_mode: MarginMode | None


class Drift(WireModel):
    """Positions whose terms were changed outside this service, between two snapshots."""

    exchange: str
    exchange_account_id: str
    seq: Annotated[int, Field(description="The snapshot that shows it")]
    as_of: Milliseconds
    positions: tuple[DriftedTerms, ...]


class DriftEvent(CloudEvent):
    """Routing key `control.drift.<exchange>.<account>`."""

    type: Literal["perps-dma.drift.v1"] = "perps-dma.drift.v1"
    data: Drift

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.drift.{self.data.exchange}.{self.data.exchange_account_id}"


class InForce(WireModel):
    """The terms of a market as the venue showed them, or those that a later command has set."""

    leverage: Annotated[Money | None, Field(description="Of several sides the highest; null where it was not told")]
    margin_mode: Annotated[MarginMode | None, Field(description="Null where it was not told")]
    sides: Annotated[
        tuple[Money, ...], Field(description="The leverage of each side, where a venue keeps several")
    ] = ()


class DoubtResolution(WireModel):
    """What is in force after a command that had ended as `unknown`, and how that is known.

    A sweep leaves nothing in force: whether it took place can't be known, and is never tried again. The balances as
    they were read afterwards are all there is to tell.
    """

    exchange: str
    exchange_account_id: str
    operation: str
    command_id: Annotated[str, Field(description="The command whose doubt has ended")]
    actor: str | None
    symbol: Annotated[str | None, Field(description="The market it is about; null for a sweep")]
    asset: Annotated[str | None, Field(description="The asset that was to be swept; null where all were")]
    wanted: Annotated[dict[str, Any], Field(description="What was to be in force, or done")]
    in_force: Annotated[InForce | None, Field(description="Null for a sweep")]
    as_wanted: Annotated[bool | None, Field(description="Whether what is in force is what was wanted; null if unknown")]
    confirmed_by: ConfirmedBy
    settled_by: Annotated[str | None, Field(description="The later command that set it; null where it was read back")]
    balances: Annotated[
        dict[str, dict[str, Any]] | None,
        Field(description="For a sweep: by asset, as pm_get_balance tells them; without the asset it has none"),
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


class VenueEvent(CloudEvent):
    """A venue began to fail, or works again. Routing key `control.venue.<exchange>`.

    It is what one worker finds by its own requests; a worker that starts tells of each venue, whatever it finds. The
    newest `since` holds.
    """

    type: Literal["perps-dma.venue.v1"] = "perps-dma.venue.v1"
    data: VenueState

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.venue.{self.data.exchange}"


class FreezeChange(FreezeState):
    """A scope that was frozen or unfrozen; `actor` and `since` tell who changed it and when."""

    frozen: bool


class FreezeEvent(CloudEvent):
    """Routing key `control.freeze`."""

    type: Literal["perps-dma.freeze.v1"] = "perps-dma.freeze.v1"
    data: FreezeChange

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return "control.freeze"


class EpochBegun(WireModel):
    """The ledger could not prove that it has all it has told, as after a restore from a backup, and begins anew.

    Freezes that are in force are told again in the new epoch, those that are not have ended; and each account's
    snapshot follows. What commands did remains true.
    """

    epoch: Annotated[int, Field(ge=1, description="The new one. Later ones are higher, whatever becomes of the ledger")]
    since: Milliseconds
    reason: Annotated[str, Field(description="What was missing, of what the stream of events shows")]


class EpochEvent(CloudEvent):
    """Routing key `control.epoch`."""

    type: Literal["perps-dma.epoch.v1"] = "perps-dma.epoch.v1"
    data: EpochBegun

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return "control.epoch"


class DeadLettersChange(WireModel):
    """Dead letters that a person has sent again or thrown away."""

    action: Literal["requeued", "dropped"]
    actor: str
    letters: Annotated[tuple[str, ...], Field(description="Their ids, as `perps-dma dead-letters list` shows them")]
    reasons: tuple[str, ...]


class DeadLettersEvent(CloudEvent):
    """Routing key `control.dead-letters`."""

    type: Literal["perps-dma.dead-letters.v1"] = "perps-dma.dead-letters.v1"
    data: DeadLettersChange

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return "control.dead-letters"


class DenialEvent(CloudEvent):
    """Requests that were denied. Routing key `control.denial`."""

    type: Literal["perps-dma.denial.v1"] = "perps-dma.denial.v1"
    data: Denial

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return "control.denial"


ControlEvent = DriftEvent | DoubtEvent | VenueEvent | FreezeEvent | EpochEvent | DeadLettersEvent | DenialEvent
Event = ResultEvent | PositionsEvent | ControlEvent


def event_id(kind: str, *parts: str | int) -> str:
    """The id of a logical event, the same whenever and wherever it is made."""
    return str(uuid5(EVENT_IDS, "/".join((kind, *map(str, parts)))))
