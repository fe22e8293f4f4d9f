"""Newvenue's hosts.

Read: the API's introduction ("base URLs"), and the pages of each legal house that has customers of its own: a key of
one is none at another. Give every row the document that says so, and `CHECKED` the date on which you have read it.
A house beside the main one also stands in the row's `regions` in `worker.accounts.venues`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.client.hosts import Host

CHECKED = "never: this is the template"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {"global": Host("https://api.newvenue.example", "wss://stream.newvenue.example", "the template")}
)
"""The houses by region. The first one is where an account is that names none."""
