"""The CloudEvents 1.0 attributes that all events carry, and their ids, which survive a restart."""

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field

from ..base import WireModel

EVENT_IDS = UUID("6f1dc5b0-3f0c-4d2e-9b56-7b0a54f6a1f4")
"""The namespace of event ids (UUID version 5)."""


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


def event_id(kind: str, *parts: str | int) -> str:
    """The id of a logical event, the same whenever and wherever it is made."""
    return str(uuid5(EVENT_IDS, "/".join((kind, *map(str, parts)))))
