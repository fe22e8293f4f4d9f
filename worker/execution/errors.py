"""Why a command is not carried out as it was meant to be; `worker.runtime.errors` has the whole tree."""

from worker.accounts.guardrails import Breach
from worker.ledger.freezes import Freeze
from worker.runtime.errors import ExecutionError
from worker.venues.port.errors import Ambiguous


class Expired(ExecutionError):
    """The deadline passed before anything was sent."""


class TakenOver(ExecutionError):
    """Another worker has taken the command over and will tell how it ended; this one must not go on."""


class RecordGone(ExecutionError):
    """The ledger knew a command, and knows it no more."""


class Frozen(ExecutionError):
    """An admin has frozen the account, its venue or everything; nothing was sent."""

    def __init__(self, freeze: Freeze) -> None:
        super().__init__(f"{freeze.scope} is frozen: {freeze.reason}; nothing was sent")
        self.freeze = freeze

    @property
    def details(self) -> dict[str, object]:
        """What a caller may use."""
        return {"scope": self.freeze.scope, "reason": self.freeze.reason, "since": self.freeze.since}


class GuardrailBroken(ExecutionError):
    """A guardrail of the account or of the sender's token forbids it; nothing was sent."""

    def __init__(self, breach: Breach, whose: str, policy: str) -> None:
        self.why = f"the guardrails of {whose} forbid it: {breach.message}"
        super().__init__(f"{self.why}; nothing was sent")
        self.breach = breach
        self.whose = whose
        self.policy = policy

    @property
    def details(self) -> dict[str, object]:
        """What a caller may use."""
        told = {"rule": str(self.breach.rule), "allowed": self.breach.allowed, "asked": self.breach.asked}
        return {**told, "of": self.whose, "policy": self.policy}


class NotConfirmed(Ambiguous):
    """It was sent, and neither the answer nor a read-back tells that it is in force."""


class NotInForce(NotConfirmed):
    """It was sent, the answer tells nothing, and a read-back shows another setting."""
