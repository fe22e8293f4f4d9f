"""What the stand-in venues have in common: accounts made from seeds, and keys that outlive a reset."""

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from worker.accounts.account import Account
from worker.sandbox.kit.accounts import RequestedAccount
from worker.sandbox.kit.clock import Clock
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.streams import Link, StreamSession
from worker.sandbox.server.venue import ControlRefused


class Seed(Protocol):
    """An account's state at the start, under the id that it keeps."""

    @property
    def id(self) -> str:
        """The account's id."""


SeedT = TypeVar("SeedT", bound=Seed)
StateT = TypeVar("StateT")
NewT = TypeVar("NewT", bound=RequestedAccount)
ChangeT = TypeVar("ChangeT", bound=BaseModel)
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Member(Generic[SeedT]):
    """An account's seed and its keys, which outlive a reset. The account has no `base_url` until it is told one."""

    seed: SeedT
    account: Account

    @property
    def id(self) -> str:
        """The account's id."""
        return self.seed.id


def random_key(length: int) -> str:
    """A new key or secret of letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _read(model: type[ModelT], content: Mapping[str, Any]) -> ModelT:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ControlRefused(str(error)) from error


class SeededVenue(ABC, Generic[SeedT, NewT, ChangeT]):
    """A stand-in venue whose accounts are made from seeds, at the start and on request."""

    seeds: tuple[SeedT, ...]
    """The accounts that are there from the start."""
    new_account: type[NewT]
    """What describes an account to open."""
    account_change: type[ChangeT]
    """What describes a change to an account."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._members: dict[str, Member[SeedT]] = {}
        self.reset()
        for seed in self.seeds:
            self._admit(seed)

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""
        return tuple(member.account.model_copy(update={"base_url": base_url}) for member in self._members.values())

    def open_account(self, content: Mapping[str, Any]) -> str:
        """Open an account as `new_account` describes it and return its id. Raises ControlRefused."""
        request = _read(self.new_account, content)
        if request.id in self._members:
            raise ControlRefused(f"there is an account {request.id} already")
        self._admit(self._requested_seed(request))
        return request.id

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account as `account_change` describes it. Raises ControlRefused."""
        if account_id not in self._members:
            raise ControlRefused(f"there is no account {account_id}")
        self._change(self._members[account_id], _read(self.account_change, content))

    def reset(self) -> None:
        """Go back to the seeded state and the documented limits, with the same keys and the right time."""
        self.clock.offset = 0
        self._restore()
        for member in self._members.values():
            self._settle(member)

    def stream(self, received: Received, link: Link) -> StreamSession | HttpResponse | None:
        """No private streams, unless a venue has some."""
        return None

    def push(self) -> None:
        """Nothing, unless a venue has private streams."""

    def is_read(self, received: Received) -> bool:
        """Whether a request changes nothing of an account: a GET, unless a venue says otherwise."""
        return received.method == "GET"

    @abstractmethod
    def state(self, account_id: str) -> Any:
        """All that REST shows of an account, to be copied."""

    @abstractmethod
    def put(self, account_id: str, state: Any) -> None:
        """Show another state of an account from now on."""

    def _admit(self, seed: SeedT) -> None:
        member = Member(seed, self._issue(seed))
        self._members[member.id] = member
        self._settle(member)

    @abstractmethod
    def _restore(self) -> None:
        """Put what all accounts share, and the limits, into their first state."""

    @abstractmethod
    def _issue(self, seed: SeedT) -> Account:
        """Issue new keys to an account."""

    @abstractmethod
    def _settle(self, member: Member[SeedT]) -> None:
        """Put an account into its seeded state."""

    @abstractmethod
    def _requested_seed(self, request: NewT) -> SeedT:
        """The seed of an account asked for on request. Raises ControlRefused."""

    @abstractmethod
    def _change(self, member: Member[SeedT], wanted: ChangeT) -> None:
        """Change an account's state. Raises ControlRefused."""


class KeyedVenue(SeededVenue[SeedT, NewT, ChangeT], Generic[SeedT, StateT, NewT, ChangeT]):
    """A seeded venue that knows an account by the API key in a header, and keeps one state for each."""

    key_header: str
    """The header with the API key."""

    def __init__(self) -> None:
        self._holders: dict[str, Member[SeedT]] = {}
        self.states: dict[str, StateT] = {}
        """The accounts' states by account id."""
        super().__init__()

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request's key belongs to."""
        member = self._holders.get(received.headers.get(self.key_header, ""))
        return None if member is None else member.id

    def state(self, account_id: str) -> StateT:
        """All that REST shows of an account, to be copied."""
        return self.states[account_id]

    def put(self, account_id: str, state: StateT) -> None:
        """Show another state of an account from now on."""
        self.states[account_id] = state

    def _settle(self, member: Member[SeedT]) -> None:
        self._holders[member.account.reveal("api_key")] = member
        self.states[member.id] = self._state_of(member.seed)

    @abstractmethod
    def _state_of(self, seed: SeedT) -> StateT:
        """An account's state as its seed describes it. Raises ControlRefused."""
