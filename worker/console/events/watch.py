"""`perps-dma watch`: the events, from any point of the stream queue on."""

import json
from datetime import UTC, datetime
from typing import Any

from schemas.client.stream import Offset, followed, offset_of
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.console.events.filters import EventFilter
from worker.console.events.lines import event_line
from worker.console.kit.display import console, show_json
from worker.runtime.errors import ConfigurationError


def stream_offset(start: str, now: datetime) -> Offset:
    """Where in the stream to begin. Raises ConfigurationError for what is no place in it."""
    try:
        return offset_of(start, now)
    except ValueError as error:
        raise ConfigurationError(
            f"--from takes first, last, next, a UTC time or an age like 15m, not {start!r}"
        ) from error


async def watch(settings: Settings, start: str, wanted: EventFilter, *, count: int | None, as_json: bool) -> None:
    """Print events until interrupted, or until `count` were shown."""
    url = amqp_url(settings)
    offset = stream_offset(start, datetime.now(UTC))
    shown = 0
    async for message in followed(url, offset):
        event = json.loads(message.body)
        if not _is_too_old(event, offset) and wanted.admits(event):
            _show(message.body.decode() if as_json else event, message.routing_key or "")
            shown += 1
        if shown == count:
            return


def _is_too_old(event: dict[str, Any], offset: Offset) -> bool:
    """A time names a chunk of the stream, which may begin earlier than asked."""
    return isinstance(offset, datetime) and datetime.fromisoformat(event["time"]) < offset.replace(microsecond=0)


def _show(event: dict[str, Any] | str, routing_key: str) -> None:
    if isinstance(event, str):
        show_json(event)
    else:
        console.print(event_line(event, routing_key), soft_wrap=True)
