"""A secret is taken out of an answer, however the venue has written it, and nothing else is."""

import asyncio
import base64
import html
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.canaries import Canaries
from tests.support.hostile_venue import answering
from tests.support.sandbox_harness import OPEN
from tests.unit.test_transport import ECHO, SET_LEVERAGE, WANTED, account
from worker.venues.binance.client import without_keys
from worker.venues.client.connections import LARGEST_ANSWER, VenueConnections
from worker.venues.client.masking import HIDDEN, MOST_ESCAPES, SecretMask
from worker.venues.port.errors import VenueError

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
ODD = "p\"a\\s/s w&r'd<1>ü%+"
IN_HEX = "c0ffee" + "0123456789abcdef" * 3 + "c0ffee1234"

Writing = Callable[[str], str]


def every(pattern: str) -> Writing:
    """Each byte as an escape."""
    return lambda text: "".join(pattern.format(byte) for byte in text.encode())


def every_other(writing: Writing) -> Writing:
    return lambda text: "".join(writing(char) if place % 2 else char for place, char in enumerate(text))


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def url_base64_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def within(before: bytes, encode: Callable[[bytes], bytes] = base64.b64encode) -> Writing:
    return lambda text: encode(before + text.encode() + b" and more").decode()


WRITINGS: Mapping[str, Writing] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "the other case": str.swapcase,
    "json": lambda text: json.dumps(text)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[3:-3],
    "json with slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json with all escaped": lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    "json with some escaped": every_other(lambda char: f"\\u{ord(char):04x}"),
    "url": lambda text: quote(text, safe=""),
    "url that keeps slashes": quote,
    "url of a form": quote_plus,
    "url in lower case": lambda text: quote(text, safe="").lower(),
    "url with all escaped": every("%{:02X}"),
    "url with some escaped": every_other(every("%{:02x}")),
    "url twice": lambda text: quote(quote(text, safe=""), safe=""),
    "url thrice, all escaped": lambda text: quote(quote(every("%{:02x}")(text))),
    "html": html.escape,
    "html with all escaped": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "html with all escaped in hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "base64": base64_of,
    "base64 without padding": lambda text: base64_of(text).rstrip("="),
    "base64 for urls": url_base64_of,
    "base64 in a url": lambda text: quote(base64_of(text), safe=""),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "base64 in lines in json": lambda text: json.dumps(base64.encodebytes(text.encode()).decode()),
    "base64 of upper case": lambda text: base64_of(text.upper()),
    "within base64": within(b"..."),
    "within base64, one on": within(b"...."),
    "within base64, two on": within(b"....."),
    "within base64 for urls, one on": within(b"?>~?", base64.urlsafe_b64encode),
    "within base64 for urls, two on": within(b"?>~?>", base64.urlsafe_b64encode),
    "hex": lambda text: text.encode().hex(),
    "hex in upper case": lambda text: text.encode().hex().upper(),
    "hex of lower case": lambda text: text.lower().encode().hex(),
}


@pytest.mark.parametrize("secret", [KEY, ODD, IN_HEX, "0x" + IN_HEX, "Pass phrase 1"])
def test_it_is_found_however_it_is_written(secret: str, subtests: pytest.Subtests) -> None:
    mask, canaries = SecretMask("another secret", secret), Canaries.of({"it": secret}, {})
    for name, writing in WRITINGS.items():
        with subtests.test(name):
            written = writing(secret)
            told = mask(f'{{"code": -1, "msg": "you sent <{written}>, sorry"}}')
            assert written not in told
            assert not canaries.found(told)
            assert HIDDEN in told


@pytest.mark.parametrize("bare", [IN_HEX, "0x" + IN_HEX, "0X" + IN_HEX.upper()])
def test_a_key_in_hex_is_found_without_its_beginning_and_as_the_bytes_it_is(bare: str) -> None:
    mask = SecretMask(bare)
    raw = bytes.fromhex(IN_HEX)
    for written in (IN_HEX, IN_HEX.upper(), base64.b64encode(raw).decode(), base64.b64encode(b"." + raw).decode()):
        assert written[3:-3] not in mask(f"you sent {written}!")
    assert mask(f'{{"you sent": "{IN_HEX}"}}') == '{"you sent": "***"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        json.dumps(ECHO),
        '{"orderId": 313233343536373839, "hash": "0x' + "ab" * 32 + '"}',
        '{"msg": "100% of \\"it\\" \\/ \\u5e01\\u5b89 &amp; more\\n"}',
        "<html>\r\n<body>We will be back soon.</body>\r\n</html>",
        "İstanbul %E0%41 %zz \\uZZZZ \\",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert SecretMask(KEY, ODD, "Pass phrase 1")(text) == text


def test_what_surrounds_a_secret_stays() -> None:
    mask = SecretMask(KEY, ODD)
    assert mask(f"İ {KEY} İ {KEY.upper()} %41 {quote(ODD, safe='')} İ") == "İ *** İ *** %41 *** İ"
    assert json.loads(mask(json.dumps({"a": ODD, "b": [KEY, 1], "c": "\\"}))) == {
        "a": "***",
        "b": ["***", 1],
        "c": "\\",
    }


def test_nothing_is_hidden_where_there_is_no_secret() -> None:
    assert SecretMask()("all of it") == SecretMask("", "")("all of it") == "all of it"


def test_what_nobody_could_unescape_in_time_is_hidden_whole() -> None:
    began = time.thread_time()
    assert SecretMask(KEY)("%41" * (LARGEST_ANSWER // 3)) == HIDDEN
    SecretMask(KEY)("%41" * MOST_ESCAPES)
    SecretMask(KEY)("\\" * MOST_ESCAPES)
    SecretMask(KEY)("&#x" + "0" * LARGEST_ANSWER)
    assert time.thread_time() - began < 2


@given(
    secret=st.text(st.characters(codec="ascii", exclude_characters="\\\r\n"), min_size=8, max_size=70),
    before=st.binary(max_size=7),
    behind=st.binary(max_size=7),
    around=st.text(max_size=20),
)
@example(secret=KEY, before=b"", behind=b"", around="=")
def test_no_place_in_something_encoded_hides_it(secret: str, before: bytes, behind: bytes, around: str) -> None:
    assume(len(set(secret.lower())) > 4)  # of one character only, any text full of it would do
    mask = SecretMask(secret)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        code = encode(before + secret.encode() + behind).decode()
        told = mask(f"{around}<{code}>{around}")
        assert code not in told


def test_a_long_secret_is_found_wherever_it_begins() -> None:
    secret = secrets.token_hex(32)
    mask = SecretMask(secret, secret[::-1])
    for begin in range(3 * len(secret)):
        assert mask(f"{'.' * begin}{secret}") == f"{'.' * begin}***"
        assert mask(f"{'.' * begin}{secret.encode().hex()}!") == f"{'.' * begin}***!"


@given(st.text(max_size=200))
def test_any_text_goes_through(text: str) -> None:
    mask = SecretMask(KEY, ODD)
    assume(KEY.lower() not in unquote(text).lower())
    assert mask(text) == text


def test_a_mask_tells_no_secret_of_its_own() -> None:
    mask = SecretMask(KEY)
    assert KEY not in f"{mask!r} {vars(mask)!r}"


def _echo(writing: Writing) -> bytes:
    return json.dumps({"code": -2014, "msg": "bad key", "sent": writing(KEY)}).encode()


@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
async def test_no_failure_and_no_log_line_tells_what_a_venue_echoes(
    writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    """In its answer, its headers, or the line above them."""
    written = writing(KEY)
    line = "".join(written.split())
    sent = f"HTTP/1.1 401 {line}\r\nX-Echo: {line}\r\nSet-Cookie: {line}\r\n".encode()
    body = _echo(writing)
    canaries = Canaries.of({"key": KEY}, {})
    with caplog.at_level(logging.DEBUG):
        async with (
            VenueConnections() as connections,
            answering(sent + b"Content-Length: %d\r\n\r\n" % len(body) + body) as url,
        ):
            transport = without_keys(connections, url, 2_000).for_account(account(api_key=KEY))
            with pytest.raises(VenueError) as caught:
                await transport.change(OPEN, SET_LEVERAGE, WANTED)
    error: BaseException | None = caught.value
    while error:
        assert not canaries.found(f"{error!r} {vars(error)}")
        error = error.__cause__ or error.__context__
    assert not canaries.found(caplog.text)


@pytest.mark.parametrize("sent", ["HTTP/1.1 200 {}", "HTTP/1.1 200 OK\r\nX-Echo: {}", "{}"])
async def test_a_head_that_is_none_tells_nothing(sent: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with VenueConnections() as connections, answering(sent.format(KEY * 200).encode(), b" " * 65_536) as url:
            transport = without_keys(connections, url, 2_000).for_account(account(api_key=KEY))
            with pytest.raises(VenueError) as caught:
                await transport.change(OPEN, SET_LEVERAGE, WANTED)
        await asyncio.sleep(0)
    assert KEY not in f"{caught.value!r} {vars(caught.value)} {caplog.text}"


def test_it_costs_less_than_the_reading_of_an_answer() -> None:
    """Of 100 positions, as a venue has them; beside reading them twice, for the machine may be slow."""
    text = json.dumps([{"symbol": "BTCUSDT", "entryPrice": "43210.12", "notional": "123.4", "id": 1234567890}] * 100)
    mask, times = SecretMask(secrets.token_urlsafe(48), secrets.token_urlsafe(48)), range(200)
    began = time.thread_time()
    for _ in times:
        mask(text)
    masked = time.thread_time()
    for _ in times:
        json.loads(text)
    assert masked - began < 2 * (time.thread_time() - masked)
