"""The users of the broker: who a program logs in as."""

from yarl import URL

SHIM_USER = "dma-shim"
"""The shim's user, unless the settings name another. It speaks for the subjects of its tokens."""


def user_of(url: URL | str) -> str | None:
    """The user that a connection logs in as; None where its certificate says so, and the URL does not."""
    url = URL(url)
    return None if url.query.get("auth", "").lower() == "external" else url.user or "guest"
