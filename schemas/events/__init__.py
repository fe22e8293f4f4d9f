"""Events on `dma.events`: CloudEvents 1.0 in JSON, with ids that survive a restart."""

from .attributes import EVENT_IDS, CloudEvent, event_id
from .danger import MarginEvent, MarginReading, Risk, RiskEvent, RiskKind, ThresholdCrossed, ThresholdEvent
from .positions import (
    Drift,
    DriftedTerms,
    DriftEvent,
    KnownBy,
    PositionsEvent,
    PositionSnapshot,
    SnapshotStream,
    Trigger,
    UnreadPart,
)
from .results import (
    CommandResult,
    ConfirmedBy,
    DoubtEvent,
    DoubtResolution,
    InForce,
    KeepEvent,
    ResultEvent,
    TermsEvent,
    Timings,
    result_key,
)
from .service import (
    DeadLettersAction,
    DeadLettersChange,
    DeadLettersEvent,
    DenialEvent,
    EpochBegun,
    EpochEvent,
    FreezeChange,
    FreezeEvent,
    MissedSweeps,
    StreamChange,
    StreamEvent,
    StreamGap,
    SweepsMissedEvent,
    VenueEvent,
)

ControlEvent = (
    DriftEvent
    | DoubtEvent
    | VenueEvent
    | FreezeEvent
    | EpochEvent
    | DeadLettersEvent
    | DenialEvent
    | StreamEvent
    | RiskEvent
    | SweepsMissedEvent
    | TermsEvent
    | KeepEvent
)
Event = ResultEvent | PositionsEvent | MarginEvent | ThresholdEvent | ControlEvent

__all__ = [
    "EVENT_IDS",
    "CloudEvent",
    "CommandResult",
    "ConfirmedBy",
    "ControlEvent",
    "DeadLettersAction",
    "DeadLettersChange",
    "DeadLettersEvent",
    "DenialEvent",
    "DoubtEvent",
    "DoubtResolution",
    "Drift",
    "DriftEvent",
    "DriftedTerms",
    "EpochBegun",
    "EpochEvent",
    "Event",
    "FreezeChange",
    "FreezeEvent",
    "InForce",
    "KeepEvent",
    "KnownBy",
    "MarginEvent",
    "MarginReading",
    "MissedSweeps",
    "PositionSnapshot",
    "PositionsEvent",
    "ResultEvent",
    "Risk",
    "RiskEvent",
    "RiskKind",
    "SnapshotStream",
    "StreamChange",
    "StreamEvent",
    "StreamGap",
    "SweepsMissedEvent",
    "TermsEvent",
    "ThresholdCrossed",
    "ThresholdEvent",
    "Timings",
    "Trigger",
    "UnreadPart",
    "VenueEvent",
    "event_id",
    "result_key",
]
