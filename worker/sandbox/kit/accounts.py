"""What every stand-in venue is asked for when an account is to be opened or changed; each venue adds its own fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ControlContent(BaseModel):
    """Content of a control request: fields that the venue doesn't know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RequestedAccount(ControlContent):
    """An account asked for on request, under an id that the registry of accounts takes too."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
