"""What accounts hold, snapshot by snapshot, and terms that were changed outside this service."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ..base import Count, Milliseconds, Money, WireModel
from ..control import Exchange, StreamHealth
from ..replies import DriftSide, Position
from ..requests import MarginMode
from .attributes import CloudEvent


class Trigger(StrEnum):
    """Why a snapshot was taken."""

    COMMAND = "command"
    SCHEDULE = "schedule"
    STREAM = "stream"


class UnreadPart(WireModel):
    """A part of an account that could not be read whole, while others were."""

    part: str
    reason: Annotated[str, Field(description="With field, market and endpoint as the venue writes them")]


class SnapshotStream(WireModel):
    """How an account was followed when its snapshot was taken."""

    state: StreamHealth
    blind_since: Annotated[Milliseconds | None, Field(description="While blind: since when pushes may be missing")]
    poll_interval_ms: Annotated[int, Field(ge=0, description="How often the account is read beside; 0: never")]


class PositionSnapshot(WireModel):
    """All open positions of an account at one instant."""

    exchange: Exchange
    exchange_account_id: str
    seq: Annotated[
        Count,
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
    stream: Annotated[
        SnapshotStream | None, Field(description="How the account is followed; null where that is not known yet")
    ] = None


class PositionsEvent(CloudEvent):
    """Routing key `positions.<exchange>.<account>`."""

    type: Literal["perps-dma.positions.v1"] = "perps-dma.positions.v1"
    data: PositionSnapshot

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"positions.{self.data.exchange}.{self.data.exchange_account_id}"


class DriftedTerms(WireModel):
    """Leverage or margin mode of a position that changed, and not by a command of ours.

    Of a push, what was before is null where it is not known, and so is what the push says nothing of.
    """

    symbol: str
    side: DriftSide
    leverage_before: Money | None
    leverage: Money | None
    margin_mode_before: MarginMode | None
    margin_mode: MarginMode | None


class KnownBy(StrEnum):
    """How a change is known that was made outside."""

    READ = "read"
    PUSH = "push"


class Drift(WireModel):
    """Positions whose terms were changed outside this service, between two snapshots, or markets of which it is pushed.

    What was told by a push is not told again when the read that follows shows it. Where that shows other terms, they
    are told as read: what was pushed is then what was before.
    """

    exchange: Exchange
    exchange_account_id: str
    seq: Annotated[
        Count, Field(description="The snapshot that shows it; of a push, the newest one before it, 0 without any")
    ]
    as_of: Annotated[Milliseconds, Field(description="When the venue was asked; of a push, the venue's time of it")]
    known_by: Annotated[
        KnownBy, Field(description="`push`: the venue told it by itself, of an open position or of a flat market")
    ] = KnownBy.READ
    positions: tuple[DriftedTerms, ...]


class DriftEvent(CloudEvent):
    """Routing key `control.drift.<exchange>.<account>`."""

    type: Literal["perps-dma.drift.v1"] = "perps-dma.drift.v1"
    data: Drift

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"control.drift.{self.data.exchange}.{self.data.exchange_account_id}"
