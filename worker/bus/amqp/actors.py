"""Who asks: the user that the broker has verified, or whom a user names that speaks for others."""

from dataclasses import dataclass

from yarl import URL

SHIM_USER = "dma-shim"
"""The shim's user, unless the settings name another. It speaks for the subjects of its tokens."""

UNVERIFIED = "unverified:"
"""Before the name that a message without a `user_id` claims for itself."""


def user_of(url: URL | str) -> str | None:
    """The user that a connection logs in as; None where its certificate says so, and the URL does not."""
    url = URL(url)
    return None if url.query.get("auth", "").lower() == "external" else url.user or "guest"


@dataclass(frozen=True, slots=True)
class Delegates:
    """The users whose header `actor` is believed."""

    users: frozenset[str]

    @classmethod
    def beside(cls, shim_user: str, url: URL | str) -> "Delegates":
        """The shim's user, and our own: who has that one can write to the ledger's events themselves.

        Where a broker has one user for all, as the private one of `up` has, all speak for others.
        """
        return cls(frozenset(user for user in (shim_user, user_of(url)) if user))

    def actor(self, user_id: str | None, named: str | None) -> str | None:
        """Who asks. The broker lets nobody set a `user_id` that is not theirs; anybody can write a header.

        >>> Delegates(frozenset({"dma-shim"})).actor("dma-shim", "ann")
        'ann'
        >>> Delegates(frozenset({"dma-shim"})).actor("dma-strategy", "ann")
        'dma-strategy'
        >>> Delegates(frozenset({"dma-shim"})).actor(None, "ann")
        'unverified:ann'
        """
        if user_id is None:
            return f"{UNVERIFIED}{named}" if named else None
        return named if named and user_id in self.users else user_id


NOBODY = Delegates(frozenset())
"""All speak for themselves."""
