"""Telling everybody how accounts are followed by their venues' private streams."""

from schemas.base import utc_text
from schemas.control import StreamState
from schemas.events import StreamChange, StreamEvent, event_id

AGAIN = "again"


def stream_event(state: StreamChange, epoch: int) -> StreamEvent:
    """How an account is followed, for everybody. Told by another worker, or once more, it is the same event."""
    return _event(state, epoch, event_id("stream", epoch, *_of(state)))


def stream_event_again(state: StreamState, epoch: int) -> StreamEvent:
    """What holds still, for who knows nothing of it in an epoch that has begun; without the gap that was before."""
    known = StreamChange(**state.model_dump(include=set(StreamState.model_fields)))
    return _event(known, epoch, event_id("stream", epoch, AGAIN, *_of(state)))


def _of(state: StreamState) -> tuple[str, int, str, str]:
    return state.exchange_account_id, state.since, state.state, state.reason or ""


def _event(state: StreamChange, epoch: int, identity: str) -> StreamEvent:
    return StreamEvent(
        id=identity, subject=state.exchange_account_id, time=utc_text(state.since), epoch=epoch, data=state
    )
