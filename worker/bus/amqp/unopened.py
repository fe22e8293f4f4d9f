"""Connections of aio-pika that never were: a broker that refuses one leaves an object behind, and nothing to close."""

import aio_pika


def forget_unopened() -> None:
    """From now on, in this process, a connection that has no transport is collected without a goodbye.

    aio-pika says it even then, at whatever moment the object is collected. In a thread that has no loop just then,
    nobody awaits it, and Python warns whoever happens to run.
    """
    aio_pika.Connection.__del__ = _forgotten  # type: ignore[method-assign]


_goodbye = aio_pika.Connection.__del__


def _forgotten(connection: aio_pika.Connection) -> None:
    if connection.transport is not None:
        _goodbye(connection)
