"""The wire contract of Perps DMA: operations, requests, replies, envelope and events.

Needs pydantic only, so that a strategy engine or a risk system can depend on it alone.
"""

from schemas.envelope import Envelope, ErrorBody, Failure, Success, failure
from schemas.events import CommandResult, Event, PositionsEvent, PositionSnapshot, ResultEvent
from schemas.operations import COMMANDS, CONTROLS, HTTP_PREFIXES, OPERATIONS, QUERIES, ROUTES, Kind, Operation
from schemas.outcomes import ERRORS, ErrorCode, Outcome
from schemas.replies import LedgerEntry, Position
from schemas.requests import MarginMode, MarketType

__all__ = [
    "COMMANDS",
    "CONTROLS",
    "ERRORS",
    "HTTP_PREFIXES",
    "OPERATIONS",
    "QUERIES",
    "ROUTES",
    "CommandResult",
    "Envelope",
    "ErrorBody",
    "ErrorCode",
    "Event",
    "Failure",
    "Kind",
    "LedgerEntry",
    "MarginMode",
    "MarketType",
    "Operation",
    "Outcome",
    "Position",
    "PositionSnapshot",
    "PositionsEvent",
    "ResultEvent",
    "Success",
    "failure",
]
