"""What a venue's health is told of each request: an answer, a failure, or nothing where nothing can be said."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from tests.support.processes import free_port
from tests.support.sandbox_harness import OPEN
from tests.support.scripted_venue import Answering, ScriptedVenue, answers, hangs_up, hangs_up_half_way, says_nothing
from worker.accounts.account import Account
from worker.venues.binance.client import BinanceTransport, without_keys
from worker.venues.client.connections import VenueConnections
from worker.venues.client.observer import RequestObserver
from worker.venues.port.errors import AccessDenied, LimitReached, Throttled, VenueError

KEY, SECRET = "k" * 64, "s" * 64

SET_LEVERAGE, PATH = "fapiPrivatePostLeverage", "/fapi/v1/leverage"
ECHO = {"symbol": "BTCUSDT", "leverage": 10, "maxNotionalValue": "1000000"}
PATIENCE_MS = 100


@dataclass
class Heard:
    """A venue, and what was heard of it."""

    venue: ScriptedVenue
    connections: VenueConnections
    told: list[str | None] = field(default_factory=list)

    def transport(self, secret: str = SECRET, url: str | None = None) -> BinanceTransport:
        account = Account(id="one", exchange="binance", api_key=SecretStr(KEY), secret=SecretStr(secret))
        heard = self.connections.heard_by(RequestObserver(self.told.append, PATIENCE_MS))
        return without_keys(heard, url or self.venue.url, 2_000).for_account(account)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        yield Heard(venue, connections)


async def test_a_success_is_an_answer(heard: Heard) -> None:
    heard.venue.on(PATH, answers(ECHO))
    await heard.transport().change(OPEN, SET_LEVERAGE)
    assert heard.told == [None]


@pytest.mark.parametrize(
    "refusal",
    [
        answers({"code": -4028, "msg": "Leverage 200 is not valid"}, 400),
        answers({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401),
        answers({"code": -1003, "msg": "Too many requests."}, 429),
        answers(b"", 418),
        answers(b"<html>", 403),
    ],
)
async def test_a_refusal_is_an_answer(heard: Heard, refusal: Answering) -> None:
    heard.venue.on(PATH, refusal)
    with pytest.raises(VenueError):
        await heard.transport().change(OPEN, SET_LEVERAGE)
    assert heard.told == [None]


@pytest.mark.parametrize(
    ("misbehaviour", "reason"),
    [
        (answers(b"<html>", 502), "502"),
        (answers({"code": -1001, "msg": "Internal error"}, 503), "Internal error"),
        (answers(b"<html>We will be back soon.</html>"), "no JSON"),
        (answers(b""), "no JSON"),
        (hangs_up, "ServerDisconnectedError"),
        (hangs_up_half_way, "ClientPayloadError"),
    ],
)
async def test_what_tells_nothing_is_a_failure_and_its_reason_no_secret(
    heard: Heard, misbehaviour: Answering, reason: str
) -> None:
    heard.venue.on(PATH, misbehaviour)
    with pytest.raises(VenueError):
        await heard.transport().change(OPEN, SET_LEVERAGE)
    (told,) = heard.told
    assert told
    assert reason in told
    assert not any(secret in told for secret in (KEY, SECRET, "signature=", heard.venue.url))


async def test_no_connection_is_a_failure(heard: Heard) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(VenueError):
        await heard.transport(url=url).change(OPEN, SET_LEVERAGE)
    assert heard.told == ["a request to binance failed (ClientConnectorError)"]


async def test_a_time_limit_that_runs_out_is_a_failure(heard: Heard) -> None:
    heard.venue.on(PATH, says_nothing)
    with pytest.raises(VenueError):
        await heard.transport().change(OPEN, SET_LEVERAGE, timeout_ms=3 * PATIENCE_MS)
    (told,) = heard.told
    assert told
    assert told.startswith("no answer from binance within")


async def test_a_request_given_up_after_a_while_is_a_failure_whoever_gave_it_up(heard: Heard) -> None:
    heard.venue.on(PATH, says_nothing)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * PATIENCE_MS / 1000):
            await heard.transport().change(OPEN, SET_LEVERAGE)
    assert len(heard.told) == 1


async def test_a_request_given_up_at_once_says_nothing(heard: Heard) -> None:
    heard.venue.on(PATH, says_nothing)
    call = asyncio.create_task(heard.transport().change(OPEN, SET_LEVERAGE))
    await heard.venue.reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert heard.told == []


async def test_what_can_not_be_signed_says_nothing_of_the_venue(heard: Heard) -> None:
    with pytest.raises(AccessDenied):
        await heard.transport(secret="PRIVATE KEY" + "x" * 150).change(OPEN, SET_LEVERAGE)
    assert heard.told == []


async def test_what_a_limit_of_ours_holds_back_says_nothing_of_the_venue(heard: Heard) -> None:
    heard.venue.on(PATH, answers({"code": -1003, "msg": "Too many requests."}, 429, {"Retry-After": "60"}))
    transport = heard.transport()
    for kind in (Throttled, LimitReached):
        with pytest.raises(kind):
            await transport.change(OPEN, SET_LEVERAGE)
    assert heard.told == [None]
    assert len(heard.venue.asked) == 1


async def test_each_venue_has_its_own_hearing_over_the_shared_session(heard: Heard) -> None:
    other = Heard(heard.venue, heard.connections)
    heard.venue.on(PATH, answers(ECHO), hangs_up)
    await heard.transport().change(OPEN, SET_LEVERAGE)
    with pytest.raises(VenueError):
        await other.transport().change(OPEN, SET_LEVERAGE)
    assert heard.told == [None]
    assert other.told == ["a request to binance failed (ServerDisconnectedError)"]
