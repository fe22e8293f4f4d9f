"""`perps_dma.blocking.PerpsDma`: the client for programs that block."""

from .client.blocking import Book, Events, PerpsDma

__all__ = ["Book", "Events", "PerpsDma"]
