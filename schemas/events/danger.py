"""How near accounts are to liquidation, by their margin and by the venues' own word."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ..base import Count, Milliseconds, Money, WireModel
from ..control import Exchange
from ..margin import Crossing, MarginHealth, MarginLevel
from .attributes import CloudEvent
from .positions import Trigger


class RiskKind(StrEnum):
    """What a venue warns of, or tells that it has happened."""

    MARGIN_CALL = "margin_call"
    RISK_LEVEL = "risk_level"
    LIQUIDATION_WARNING = "liquidation_warning"
    LIQUIDATION = "liquidation"
    AUTO_DELEVERAGING = "auto_deleveraging"
    RISK_LIMIT_REDUCED = "risk_limit_reduced"


class Risk(WireModel):
    """A venue's own word on an account in danger. It is read at once; its snapshot follows if that is news."""

    exchange: Exchange
    exchange_account_id: str
    kind: RiskKind
    level: Annotated[str | None, Field(description="As the venue writes it; null where it tells none")]
    symbols: Annotated[tuple[str, ...], Field(description="The markets it is about; none for the whole account")]
    figures: Annotated[dict[str, str], Field(description="By the venue's names, as it writes them, such as uniMMR")]
    at: Annotated[Milliseconds, Field(description="The venue's time of it")]


class RiskEvent(CloudEvent):
    """Routing key `risk.<exchange>.<account>`. Each push of a venue is one event, and the same one if told again."""

    type: Literal["perps-dma.risk.v1"] = "perps-dma.risk.v1"
    data: Risk

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"risk.{self.data.exchange}.{self.data.exchange_account_id}"


class MarginReading(MarginHealth):
    """How near an account is to liquidation, as it was read. Between two of them no ratio moved by 0.02 or more.

    It follows a reading on schedule, or a push of the venue's that the account is in danger.
    """

    seq: Annotated[Count, Field(description="Counts the readings of the account that were told, from 1 on")]
    trigger: Trigger
    level: Annotated[MarginLevel, Field(description="The worst of all pools")]
    levels: Annotated[dict[str, MarginLevel], Field(description="By pool; those that are ok are left out")]


class MarginEvent(CloudEvent):
    """Routing key `margin.<exchange>.<account>`."""

    type: Literal["perps-dma.margin.v1"] = "perps-dma.margin.v1"
    data: MarginReading

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"margin.{self.data.exchange}.{self.data.exchange_account_id}"


class ThresholdCrossed(WireModel):
    """A pool of margin crossed a threshold of its account. Each crossing is told once, whoever reads the account."""

    exchange: Exchange
    exchange_account_id: str
    pool: Annotated[str, Field(description="As in the margin event")]
    direction: Crossing
    level: Annotated[MarginLevel, Field(description="What it is now")]
    level_before: MarginLevel
    margin_ratio: Annotated[
        Money | None, Field(description="Null where there is no equity left, or the pool is gone with its positions")
    ]
    is_liquidatable: bool | None
    threshold: Annotated[
        Money, Field(description="The ratio that was crossed: reached on the way up, left behind on the way down")
    ]
    seq: Annotated[Count, Field(description="Of the margin event that shows it")]
    as_of: Annotated[Milliseconds, Field(description="When the venue was asked")]


class ThresholdEvent(CloudEvent):
    """Routing key `risk.threshold.<exchange>.<account>`."""

    type: Literal["perps-dma.threshold.v1"] = "perps-dma.threshold.v1"
    data: ThresholdCrossed

    @property
    def routing_key(self) -> str:
        """Where the event goes on `dma.events`."""
        return f"risk.threshold.{self.data.exchange}.{self.data.exchange_account_id}"
