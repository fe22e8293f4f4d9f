"""What the client library raises when a connection goes, told as one kind of trouble."""

import asyncio
from contextlib import suppress

import pytest

from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from worker.bus.amqp.connection import closed_soon


@pytest.mark.parametrize("error", [Exception(), RuntimeError("closed"), asyncio.CancelledError()])
async def test_what_the_library_raises_beside_its_own_errors_is_trouble_with_the_connection(
    error: BaseException,
) -> None:
    with pytest.raises(ConnectionError), as_trouble():
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("x"), TimeoutError()])
async def test_everything_else_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), as_trouble():
        raise error


async def test_a_stop_of_ours_is_no_trouble() -> None:
    async def wait() -> None:
        with as_trouble():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("kind", CONNECTION_TROUBLE)
async def test_a_goodbye_that_fails_is_none_the_less_one(kind: type[Exception]) -> None:
    async def close() -> None:
        raise kind

    await closed_soon(close)
    assert asyncio.current_task() is not None


async def test_a_goodbye_that_nobody_answers_is_not_waited_for() -> None:
    async with asyncio.timeout(40):
        await closed_soon(asyncio.Event().wait)


@pytest.mark.parametrize("error", [ConnectionError("closed while it was opened"), None])
async def test_a_stop_that_the_library_makes_trouble_of_or_loses_is_a_stop_still(error: Exception | None) -> None:
    begun = asyncio.Event()

    async def lost_while_it_is_stopped() -> None:
        with as_trouble():
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if error is not None:
                    raise error from None

    running = asyncio.create_task(lost_while_it_is_stopped())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


async def test_trouble_while_something_is_put_in_order_after_a_stop_is_trouble() -> None:
    begun, order = asyncio.Event(), list[str]()

    async def left_in_order() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            with suppress(ConnectionError), as_trouble():
                raise ConnectionError("closed already")
            order.append("left")

    running = asyncio.create_task(left_in_order())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert (order, running.cancelled()) == (["left"], True)
