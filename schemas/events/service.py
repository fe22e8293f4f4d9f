"""What concerns the service itself: venues, streams, sweeps, freezes, epochs, dead letters, denials."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from ..audit.records import Denial
from ..base import Milliseconds, WireModel
from ..control import Exchange, FreezeState, StreamState, VenueState
from .attributes import CloudEvent


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


class StreamGap(WireModel):
    """For how long an account was not followed; what changed meanwhile was read at its end."""

    begin: Milliseconds
    end: Milliseconds


class StreamChange(StreamState):
    """An account's streams are live, blind, or there are none; newest `since` holds."""

    gap: Annotated[StreamGap | None, Field(description="Live again: for how long it was blind")] = None


class StreamEvent(CloudEvent):
    """Routing key `control.stream.<exchange>.<account>`."""

    type: Literal["perps-dma.stream.v1"] = "perps-dma.stream.v1"
    data: StreamChange

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.stream.{self.data.exchange}.{self.data.exchange_account_id}"


class MissedSweeps(WireModel):
    """Slots of an account's schedule in which no sweep was done, and none will be."""

    exchange: Exchange
    exchange_account_id: str
    schedule: Annotated[str, Field(description="As the registry has it: `daily 00:05`")]
    first: Milliseconds
    last: Milliseconds
    count: Annotated[int, Field(ge=1, description="From first to last")]
    reason: str


class SweepsMissedEvent(CloudEvent):
    """Routing key `control.sweeps-missed.<exchange>.<account>`."""

    type: Literal["perps-dma.sweeps-missed.v1"] = "perps-dma.sweeps-missed.v1"
    data: MissedSweeps

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.sweeps-missed.{self.data.exchange}.{self.data.exchange_account_id}"


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

    Freezes that are in force are told again in the new epoch, those that are not have ended; so is how each account is
    followed by its venue's private streams, and each account's snapshot follows. What commands did remains true.
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


DeadLettersAction = TypeAliasType("DeadLettersAction", Literal["requeued", "dropped"])
"""What was done with dead letters."""


class DeadLettersChange(WireModel):
    """Dead letters that a person has sent again or thrown away."""

    action: DeadLettersAction
    actor: str | None
    letters: Annotated[tuple[str, ...], Field(description="Their ids, as `perps-dma dead-letters list` shows them")]
    reasons: Annotated[tuple[str, ...], Field(description="Why each of them could not be carried out")]
    why: Annotated[str | None, Field(description="Why that was done with them")] = None
    operations: Annotated[tuple[str, ...], Field(description="What each of them was sent to")] = ()
    accounts: Annotated[tuple[str | None, ...], Field(description="The account that each of them names, if any")] = ()
    senders: Annotated[tuple[str | None, ...], Field(description="Who sent each of them, as far as is known")] = ()


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
