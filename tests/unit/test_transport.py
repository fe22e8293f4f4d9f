"""What becomes of a signed request: sent or not, answered or not, and never a secret in what is said about it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.support.sandbox_harness import OPEN
from tests.support.scripted_venue import ScriptedVenue, answers, hangs_up, hangs_up_half_way, says_nothing
from worker.accounts.account import Account
from worker.runtime import clock
from worker.runtime.clock import Clocks, now
from worker.venues.binance.client import BinanceTransport, without_keys
from worker.venues.client.connections import VenueConnections
from worker.venues.gate.client import without_keys as gate_without_keys
from worker.venues.limits import Limits, within
from worker.venues.limits.meter import CLOCK_MARGIN
from worker.venues.limits.tables import Unmetered
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
    LimitReached,
    NotSent,
    Refused,
    Throttled,
    Unlisted,
    VenueError,
)

KEY, SECRET = "k" * 64, "s" * 64


def account(api_key: str = KEY, secret: str = SECRET) -> Account:
    return Account(id="one", exchange="binance", api_key=SecretStr(api_key), secret=SecretStr(secret))


SET_LEVERAGE, PATH = "fapiPrivatePostLeverage", "/fapi/v1/leverage"
WANTED = {"symbol": "BTCUSDT", "leverage": 10}
ECHO = {"symbol": "BTCUSDT", "leverage": 10, "maxNotionalValue": "1000000"}
SKEWED = answers({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)


@dataclass
class Wired:
    venue: ScriptedVenue
    connections: VenueConnections
    transport: BinanceTransport


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        yield Wired(venue, connections, _transport(connections, venue.url))


def _transport(connections: VenueConnections, url: str, timeout_ms: int = 2_000) -> BinanceTransport:
    return without_keys(connections, url, timeout_ms).for_account(account())


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_success_is_the_venues_json(wired: Wired) -> None:
    wired.venue.on(PATH, answers(ECHO))
    assert await wired.transport.change(OPEN, SET_LEVERAGE, WANTED) == ECHO
    (asked,) = wired.venue.asked
    assert (asked.method, asked.headers["X-MBX-APIKEY"]) == ("POST", KEY)
    assert {"symbol", "leverage", "timestamp", "recvWindow", "signature"} == set(asked.params)


async def test_nothing_was_sent_where_no_connection_could_be_made() -> None:
    async with VenueConnections() as connections:
        with pytest.raises(NotSent, match="nothing was sent"):
            await _transport(connections, f"http://127.0.0.1:{_unused_port()}").change(OPEN, SET_LEVERAGE, WANTED)


async def test_nothing_was_sent_where_the_venue_speaks_no_tls(wired: Wired) -> None:
    transport = _transport(wired.connections, wired.venue.url.replace("http:", "https:"))
    with pytest.raises(NotSent):
        await transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert wired.venue.asked == []


async def test_nothing_was_sent_through_a_closed_session(wired: Wired) -> None:
    await wired.connections.close()
    with pytest.raises(NotSent):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)


@pytest.mark.parametrize("misbehaviour", [hangs_up, hangs_up_half_way], ids=lambda row: row.__name__)
async def test_a_connection_that_breaks_after_sending_tells_nothing(wired: Wired, misbehaviour: object) -> None:
    wired.venue.on(PATH, misbehaviour)  # type: ignore[arg-type]
    with pytest.raises(Ambiguous, match="did not arrive whole"):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert len(wired.venue.asked) == 1


async def test_a_time_limit_that_runs_out_after_sending_tells_nothing(wired: Wired) -> None:
    wired.venue.on(PATH, says_nothing)
    with pytest.raises(Ambiguous, match="within 50 ms"):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED, timeout_ms=50)
    assert len(wired.venue.asked) == 1


@pytest.mark.parametrize("body", [b"<html>We will be back soon.</html>", b"", b'"ok"', b"null", b"[1,", b"200"])
async def test_a_200_without_a_json_object_or_list_is_no_success(wired: Wired, body: bytes) -> None:
    wired.venue.on(PATH, answers(body))
    with pytest.raises(Ambiguous, match="no JSON"):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)


@pytest.mark.parametrize("status", [200, 400, 409, 422])
async def test_a_code_in_no_table_refuses_no_change_for_certain_and_keeps_its_number(wired: Wired, status: int) -> None:
    wired.venue.on(PATH, answers({"code": -99_999, "msg": "Nobody knows."}, status))
    with pytest.raises(Unlisted, match="a code that no table has") as caught:
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert caught.value.venue_code == "-99999"


async def test_a_code_in_no_table_has_refused_what_only_reads(wired: Wired) -> None:
    wired.venue.on("/fapi/v1/income", answers({"code": -99_999, "msg": "Nobody knows."}, 400))
    with pytest.raises(Refused) as caught:
        await wired.transport.call("fapiPrivateGetIncome", {})
    assert caught.value.venue_code == "-99999"


async def test_who_is_not_served_where_we_are_has_no_access(wired: Wired) -> None:
    body = {"code": 0, "msg": "Service unavailable from a restricted location according to 'b. Eligibility'"}
    wired.venue.on(PATH, answers(body, 451))
    with pytest.raises(AccessDenied, match="does not serve our location") as caught:
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert caught.value.venue_code == "451"


async def test_an_id_in_a_path_is_percent_encoded_and_signed_so() -> None:
    async with ScriptedVenue() as venue, VenueConnections() as connections:
        member = Account(id="one", exchange="gate", api_key=SecretStr(KEY), secret=SecretStr(SECRET))
        transport = gate_without_keys(connections, venue.url, 2_000).for_account(member)
        venue.on("/api/v4/futures/usdt/positions/币安人生_USDT", answers({"contract": "币安人生_USDT"}))
        params = {"settle": "usdt", "contract": "币安人生_USDT"}
        assert await transport.call("privateFuturesGetSettlePositionsContract", params)


async def test_a_redirect_is_not_followed(wired: Wired) -> None:
    wired.venue.on(PATH, answers(b"", 307, {"Location": wired.venue.url + "/elsewhere"}))
    wired.venue.on("/elsewhere", answers(ECHO))
    with pytest.raises(Ambiguous):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert wired.venue.asked_for("/elsewhere") == []


async def test_a_cancelled_call_stays_cancelled(wired: Wired) -> None:
    wired.venue.on(PATH, says_nothing)
    call = asyncio.create_task(wired.transport.change(OPEN, SET_LEVERAGE, WANTED))
    await wired.venue.reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_secret_that_cannot_sign_is_refused_before_anything_is_sent(wired: Wired) -> None:
    transport = without_keys(wired.connections, wired.venue.url, 2_000).for_account(
        account(secret="PRIVATE KEY" + "x" * 150)
    )
    with pytest.raises(AccessDenied, match="can't be signed"):
        await transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert wired.venue.asked == []


async def test_a_refused_timestamp_sets_the_clock_and_is_sent_again_once(wired: Wired) -> None:
    wired.venue.on(PATH, SKEWED, answers(ECHO))
    wired.venue.on("/fapi/v1/time", answers({"serverTime": 1_000_000}))
    assert await wired.transport.change(OPEN, SET_LEVERAGE, WANTED) == ECHO
    first, second = wired.venue.asked_for(PATH)
    assert int(first.params["timestamp"]) > 1_700_000_000_000
    assert 1_000_000 <= int(second.params["timestamp"]) < 1_002_000
    assert 1_000_000 <= wired.transport.now() < 1_010_000


@pytest.mark.parametrize("offset_ms", [-90_000, 0, 90_000])
async def test_a_skew_is_wrong_by_no_more_than_it_says(wired: Wired, offset_ms: int) -> None:
    async def tells_the_time(request: web.Request) -> web.StreamResponse:
        return await answers({"serverTime": clock.now() + offset_ms})(request)

    wired.venue.on("/fapi/v1/time", tells_the_time)
    skew = await wired.transport.skew(SET_LEVERAGE)
    assert abs(skew.ahead + offset_ms) <= skew.uncertainty


async def test_accounts_that_ask_for_the_time_at_once_share_one_question(wired: Wired) -> None:
    wired.venue.on("/fapi/v1/time", answers({"serverTime": clock.now()}))
    other = wired.transport.for_account(account())
    assert len({*await asyncio.gather(wired.transport.skew(SET_LEVERAGE), other.skew(SET_LEVERAGE))}) == 1
    assert len(wired.venue.asked) == 1
    await other.skew(SET_LEVERAGE)
    assert len(wired.venue.asked) == 2


async def test_a_coin_margined_call_asks_the_time_of_its_own_family(wired: Wired) -> None:
    wired.venue.on("/dapi/v1/leverage", SKEWED, answers(ECHO))
    wired.venue.on("/dapi/v1/time", answers({"serverTime": 1_000_000}))
    assert await wired.transport.change(OPEN, "dapiPrivatePostLeverage", WANTED) == ECHO


async def test_a_timestamp_refused_twice_is_reported(wired: Wired) -> None:
    wired.venue.on(PATH, SKEWED)
    wired.venue.on("/fapi/v1/time", answers({"serverTime": 1_000_000}))
    with pytest.raises(ClockSkewed):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert len(wired.venue.asked_for(PATH)) == 2


async def test_a_refused_timestamp_stays_a_refusal_when_the_time_cannot_be_asked(wired: Wired) -> None:
    wired.venue.on(PATH, SKEWED)
    wired.venue.on("/fapi/v1/time", hangs_up)
    with pytest.raises(ClockSkewed):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert len(wired.venue.asked_for(PATH)) == 1


@pytest.fixture
async def mid_minute() -> AsyncIterator[Wired]:
    """A venue whose limits are read in the middle of a minute, for ever."""
    limits = Limits(clocks=Clocks.alike(lambda: 1_700_000_010_000))
    async with ScriptedVenue() as venue, VenueConnections(limits) as connections:
        yield Wired(venue, connections, _transport(connections, venue.url))


async def test_what_an_answer_tells_of_a_limit_counts_for_all_accounts(mid_minute: Wired) -> None:
    wired = mid_minute
    wired.venue.on(PATH, answers(ECHO, headers={"X-MBX-USED-WEIGHT-1M": "700"}))
    await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    (row,) = wired.connections.limits.headroom()
    assert (row.exchange, row.base_url, row.scope, row.user) == ("binance", wired.venue.url, "futures weight", None)
    assert (row.limit, row.left, row.closed_for) == (2_400, 1_700, 0)


async def test_what_never_left_uses_nothing_of_a_limit(wired: Wired) -> None:
    await wired.connections.close()
    with pytest.raises(NotSent):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    (row,) = wired.connections.limits.headroom()
    assert row.left == 2_400


async def test_a_429_closes_the_limit_to_all_accounts_and_nothing_more_is_sent(mid_minute: Wired) -> None:
    wired = mid_minute
    throttled = answers({"code": -1003, "msg": "Too many requests."}, 429, {"Retry-After": "30"})
    wired.venue.on(PATH, throttled, answers(ECHO))
    with pytest.raises(Throttled) as caught:
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert (type(caught.value), caught.value.retry_after) == (Throttled, 30_000)
    other = without_keys(wired.connections, wired.venue.url, 2_000).for_account(account("other", "secret"))
    with pytest.raises(LimitReached) as reached:
        await other.call("fapiPrivateGetSymbolConfig")
    assert reached.value.retry_after == 30_000 + CLOCK_MARGIN
    assert len(wired.venue.asked) == 1


async def test_an_endpoint_in_no_table_is_not_called(wired: Wired) -> None:
    with pytest.raises(Unmetered, match="fapiPrivatePostOrder"):
        await wired.transport.change(OPEN, "fapiPrivatePostOrder", {})
    assert wired.venue.asked == []


async def test_the_time_limit_runs_from_when_there_was_room(wired: Wired) -> None:
    wired.venue.on(PATH, answers({"code": -1003, "msg": "Too many."}, 429, {"Retry-After": "1"}), answers(ECHO))
    with pytest.raises(Throttled):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    with within(now() + 10_000):
        assert await wired.transport.change(OPEN, SET_LEVERAGE, WANTED, timeout_ms=200) == ECHO


async def test_accounts_share_no_key_and_no_clock(wired: Wired) -> None:
    other = without_keys(wired.connections, wired.venue.url, 2_000).for_account(account("other", "secret"))
    wired.venue.on(PATH, SKEWED, answers(ECHO))
    wired.venue.on("/fapi/v1/time", answers({"serverTime": 1_000_000}))
    await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    await other.change(OPEN, SET_LEVERAGE, WANTED)
    last = wired.venue.asked_for(PATH)[-1]
    assert last.headers["X-MBX-APIKEY"] == "other"
    assert int(last.params["timestamp"]) > 1_700_000_000_000


@pytest.mark.parametrize(
    "misbehaviour",
    [
        hangs_up,
        hangs_up_half_way,
        answers(f"<html>{KEY} {SECRET} ?signature=abcdef0123</html>".encode()),
        answers({"code": -1100, "msg": f"Illegal {KEY} in ?signature=abcdef0123"}, 400),
        answers({"code": -99_999, "msg": f"Illegal {SECRET} in ?signature=abcdef0123"}, 400),
        answers(f"{KEY} signature=abcdef0123".encode(), 400),
        answers(f"{KEY} signature=abcdef0123".encode(), 502),
    ],
)
@pytest.mark.parametrize("name", [SET_LEVERAGE, "fapiPrivateGetSymbolConfig"])
async def test_no_failure_tells_a_secret(wired: Wired, misbehaviour: object, name: str) -> None:
    for path in (PATH, "/fapi/v1/symbolConfig"):
        wired.venue.on(path, misbehaviour)  # type: ignore[arg-type]
    with pytest.raises(VenueError) as caught:
        await (
            wired.transport.change(OPEN, name, WANTED) if name == SET_LEVERAGE else wired.transport.call(name, WANTED)
        )
    error: BaseException | None = caught.value
    while error:
        told = f"{error!r} {vars(error)}"
        assert not any(secret in told for secret in (KEY, SECRET, "abcdef0123", wired.venue.url, "timestamp="))
        error = error.__cause__ or error.__context__


async def test_no_log_line_tells_a_secret(wired: Wired, caplog: pytest.LogCaptureFixture) -> None:
    wired.venue.on(PATH, answers(ECHO))
    with caplog.at_level(logging.DEBUG):
        await wired.transport.change(OPEN, SET_LEVERAGE, WANTED)
    signature = wired.venue.asked[0].params["signature"]
    assert not any(secret in caplog.text for secret in (KEY, SECRET, signature))


async def test_an_echoed_secret_is_recognised_as_json_and_urls_write_it(wired: Wired) -> None:
    odd = 'p"a\\s/s w&rd'
    transport = without_keys(wired.connections, wired.venue.url, 2_000).for_account(account(secret=odd))
    wired.venue.on(PATH, answers({"code": -1, "msg": f"you sent {odd} and {quote(odd, safe='')}"}, 400))
    with pytest.raises(VenueError) as refusal:
        await transport.change(OPEN, SET_LEVERAGE, WANTED)
    assert refusal.value.raw == {"code": -1, "msg": "you sent *** and ***"}
