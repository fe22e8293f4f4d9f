"""Being forbidden to change anything."""

from worker.execution.ledger.freezes import Freeze


class Frozen(Exception):
    """An admin has frozen the account, its venue or everything; nothing was sent."""

    def __init__(self, freeze: Freeze) -> None:
        super().__init__(f"{freeze.scope} is frozen: {freeze.reason}; nothing was sent")
        self.freeze = freeze

    @property
    def details(self) -> dict[str, object]:
        """What a caller may use."""
        return {"scope": self.freeze.scope, "reason": self.freeze.reason, "since": self.freeze.since}
