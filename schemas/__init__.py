"""The wire contract of Perps DMA: operations, requests, replies, envelope and events; and the client.

The contract needs pydantic only. The client, which needs aio-pika as well, is imported when one of its names is asked
for. Its distribution `perps-dma-client` has all of this under the name `perps_dma`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .envelope import Envelope, ErrorBody, Failure, Success, failure
from .events import (
    CommandResult,
    ConfirmedBy,
    DeadLettersEvent,
    DenialEvent,
    DoubtEvent,
    DriftEvent,
    EpochEvent,
    Event,
    FreezeEvent,
    KeepEvent,
    MarginEvent,
    PositionsEvent,
    PositionSnapshot,
    ResultEvent,
    RiskEvent,
    StreamEvent,
    SweepsMissedEvent,
    TermsEvent,
    ThresholdEvent,
    VenueEvent,
)
from .operations import COMMANDS, CONTROLS, HTTP_PREFIXES, OPERATIONS, QUERIES, ROUTES, Kind, Operation
from .outcomes import ERRORS, ErrorCode, Outcome
from .replies import LedgerEntry, Position
from .requests import MarginMode, MarketType

if TYPE_CHECKING:
    from .client.answers import Answer, Result
    from .client.dma import PerpsDma
    from .client.errors import (
        BrokerAway,
        CommandExpired,
        CommandFailed,
        CommandForbidden,
        CommandPartial,
        CommandRejected,
        CommandUnknown,
        CommandUnsupported,
        NoAnswer,
        NotAllowed,
        NotServed,
        PerpsDmaError,
        PreconditionFailed,
        RequestFailed,
    )
    from .client.events import AnyEvent, EventStream, OtherEvent
    from .client.live_book import BookChange, LiveBook

_OF_THE_CLIENT = {
    "answers": ("Answer", "Result"),
    "dma": ("PerpsDma",),
    "errors": (
        "BrokerAway",
        "CommandExpired",
        "CommandFailed",
        "CommandForbidden",
        "CommandPartial",
        "CommandRejected",
        "CommandUnknown",
        "CommandUnsupported",
        "NoAnswer",
        "NotAllowed",
        "NotServed",
        "PerpsDmaError",
        "PreconditionFailed",
        "RequestFailed",
    ),
    "events": ("AnyEvent", "EventStream", "OtherEvent"),
    "live_book": ("BookChange", "LiveBook"),
}
_MODULES = {name: module for module, names in _OF_THE_CLIENT.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.client.{_MODULES[name]}"), name)


__all__ = [
    "COMMANDS",
    "CONTROLS",
    "ERRORS",
    "HTTP_PREFIXES",
    "OPERATIONS",
    "QUERIES",
    "ROUTES",
    "Answer",
    "AnyEvent",
    "BookChange",
    "BrokerAway",
    "CommandExpired",
    "CommandFailed",
    "CommandForbidden",
    "CommandPartial",
    "CommandRejected",
    "CommandResult",
    "CommandUnknown",
    "CommandUnsupported",
    "ConfirmedBy",
    "DeadLettersEvent",
    "DenialEvent",
    "DoubtEvent",
    "DriftEvent",
    "Envelope",
    "EpochEvent",
    "ErrorBody",
    "ErrorCode",
    "Event",
    "EventStream",
    "Failure",
    "FreezeEvent",
    "KeepEvent",
    "Kind",
    "LedgerEntry",
    "LiveBook",
    "MarginEvent",
    "MarginMode",
    "MarketType",
    "NoAnswer",
    "NotAllowed",
    "NotServed",
    "Operation",
    "OtherEvent",
    "Outcome",
    "PerpsDma",
    "PerpsDmaError",
    "Position",
    "PositionSnapshot",
    "PositionsEvent",
    "PreconditionFailed",
    "RequestFailed",
    "Result",
    "ResultEvent",
    "RiskEvent",
    "StreamEvent",
    "Success",
    "SweepsMissedEvent",
    "TermsEvent",
    "ThresholdEvent",
    "VenueEvent",
    "failure",
]
