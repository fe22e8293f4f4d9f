"""The metrics that are counted where things happen. What is a state is collected when it is asked for (`monitoring`).

Labels are names out of our own tables and never what a client sends. All counts begin anew with the process.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from worker.telemetry.stages import OF_A_QUERY, Stage, StageTimes

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge more for every counter, which nobody asks for

WORKER = CollectorRegistry()
SHIM = CollectorRegistry()
for registry in (WORKER, SHIM):
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds: from the ledger's write to beyond the longest usual deadline."""

_OF_OPERATION = ("operation", "venue")

COMMANDS = Counter(
    "perps_dma_commands_total", "Commands that ended, by outcome", (*_OF_OPERATION, "outcome"), registry=WORKER
)
COMMANDS_REPEATED = Counter(
    "perps_dma_commands_repeated_total",
    "Commands that were delivered again, and told again",
    _OF_OPERATION,
    registry=WORKER,
)
COMMAND_SECONDS = Histogram(
    "perps_dma_command_seconds",
    "From a command's publishing to the broker's confirm of its event",
    _OF_OPERATION,
    buckets=BUCKETS,
    registry=WORKER,
)
COMMAND_STAGE_SECONDS = Histogram(
    "perps_dma_command_stage_seconds",
    "Parts of that: queue, lane, limiter, venue, readback, ledger, publish",
    ("venue", "stage"),
    buckets=BUCKETS,
    registry=WORKER,
)
QUERIES = Counter(
    "perps_dma_queries_total", "Queries answered, by HTTP status", (*_OF_OPERATION, "status"), registry=WORKER
)
QUERY_SECONDS = Histogram(
    "perps_dma_query_seconds",
    "From a query's publishing to its answer",
    _OF_OPERATION,
    buckets=BUCKETS,
    registry=WORKER,
)
QUERY_STAGE_SECONDS = Histogram(
    "perps_dma_query_stage_seconds",
    "Parts of that: queue, limiter, venue, publish",
    ("venue", "stage"),
    buckets=BUCKETS,
    registry=WORKER,
)
NOT_ACCEPTED = Counter(
    "perps_dma_messages_not_accepted_total", "Messages refused on receipt, by error code", ("code",), registry=WORKER
)
DEAD_LETTERS = Counter("perps_dma_dead_letters_total", "Messages whose senders could not be told", (), registry=WORKER)
VENUE_SECONDS = Histogram(
    "perps_dma_venue_request_seconds",
    "Requests to venues from first byte to meaning: answered, failed, or given up",
    ("venue", "result"),
    buckets=BUCKETS,
    registry=WORKER,
)
PARTS_UNREAD = Counter(
    "perps_dma_parts_unread_total",
    "Parts of accounts that could not be read while others were, by what was asked",
    ("venue", "operation"),
    registry=WORKER,
)
UNKNOWN_RECORDS = Counter(
    "perps_dma_unknown_records_total",
    "Records of a type that no table of ours has, by the type as the venue writes it",
    ("venue", "type"),
    registry=WORKER,
)

SCHEDULED_SWEEPS = Counter(
    "perps_dma_scheduled_sweeps_total",
    "Slots of scheduled sweeps: the command published, or missed",
    ("venue", "result"),
    registry=WORKER,
)

STREAM_FRAMES = Counter(
    "perps_dma_stream_frames_total", "Frames that venues pushed over private streams", ("venue",), registry=WORKER
)
STREAM_NOT_UNDERSTOOD = Counter(
    "perps_dma_stream_frames_not_understood_total",
    "Pushed frames that are not as documented; the account is read instead",
    ("venue",),
    registry=WORKER,
)
STREAM_NUDGES = Counter(
    "perps_dma_stream_nudges_total",
    "Changes that venues pushed, by what they say has changed",
    ("venue", "why"),
    registry=WORKER,
)
STREAM_READS = Counter("perps_dma_stream_reads_total", "Readings of accounts after pushes", ("venue",), registry=WORKER)
STREAM_CONNECTIONS = Counter(
    "perps_dma_stream_connections_total",
    "Private connections: opened and acknowledged, ended, or not come about",
    ("venue", "state"),
    registry=WORKER,
)

EVENTS = Counter("perps_dma_events_total", "Events that the broker has confirmed", ("type",), registry=WORKER)
EVENT_FAILURES = Counter(
    "perps_dma_event_failures_total",
    "Publishings of events that were not confirmed, and were repeated",
    (),
    registry=WORKER,
)

HTTP_REQUESTS = Counter(
    "perps_dma_http_requests_total", "Requests answered, by route", ("method", "route", "status"), registry=SHIM
)
HTTP_SECONDS = Histogram(
    "perps_dma_http_request_seconds",
    "From a request's head to the end of its answer",
    ("method", "route"),
    buckets=BUCKETS,
    registry=SHIM,
)
EVENT_READERS = Gauge("perps_dma_event_readers", "Clients that follow the events over HTTP", registry=SHIM)
HTTP_REFUSED = Counter(
    "perps_dma_http_refused_total",
    "Requests that the shim refused itself, by error code: denials are unauthorized, forbidden, rate_limited",
    ("code",),
    registry=SHIM,
)


@cache
def _observers(operation: str, venue: str) -> tuple[Histogram, dict[Stage, Histogram]]:
    """The whole and the parts of a command. Looking them up by their labels would be half of the work."""
    parts = {stage: COMMAND_STAGE_SECONDS.labels(venue, stage) for stage in Stage}
    return COMMAND_SECONDS.labels(operation, venue), parts


def command_told(operation: str, venue: str, times: StageTimes) -> None:
    """A command was carried out here, and its event is with the broker."""
    whole, parts = _observers(operation, venue)
    whole.observe(times.whole)
    for stage, seconds in times.spent().items():
        parts[stage].observe(seconds)


def query_answered(operation: str, venue: str, status: int, times: StageTimes) -> None:
    """A query was answered."""
    QUERIES.labels(operation, venue, status).inc()
    QUERY_SECONDS.labels(operation, venue).observe(times.whole)
    spent = times.spent()
    for stage in OF_A_QUERY:
        QUERY_STAGE_SECONDS.labels(venue, stage).observe(spent[stage])


@cache
def venue_request(venue: str, result: str) -> Histogram:
    """What a request to a venue that ended so is observed by. Looking it up by its labels would be half of the work."""
    return VENUE_SECONDS.labels(venue, result)
