"""What remains in doubt after a change was sent."""

from worker.venues.port.errors import Ambiguous


class NotConfirmed(Ambiguous):
    """It was sent, and neither the answer nor a read-back tells that it is in force."""


class NotInForce(NotConfirmed):
    """It was sent, the answer tells nothing, and a read-back shows another setting."""
