"""What a stand-in venue has to offer to be served: the seam between the server and each venue."""

from collections.abc import Mapping
from typing import Any, Protocol

from worker.accounts.account import Account
from worker.sandbox.kit.clock import Clock
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.streams import StreamingVenue


class ControlRefused(SandboxRefusal):
    """A control request can't be carried out; the message says why."""


class StandIn(StreamingVenue, Protocol):
    """One stand-in venue, with the accounts it keeps."""

    name: str
    clock: Clock

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as the venue would, refusals included."""

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request is signed for, as far as its key says."""

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, without its signature."""

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""

    def open_account(self, content: Mapping[str, Any]) -> str:
        """Open a further account and return its id. Raises ControlRefused."""

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account behind its owner's back. Raises ControlRefused."""

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set the weight that an address may spend in a minute, by endpoint family. Raises ControlRefused."""

    def reset(self) -> None:
        """Go back to the seeded state, with the same keys."""
