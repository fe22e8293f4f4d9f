"""Every row of the tables of refusals, and which answers are no refusals."""

from typing import Any

import orjson
import pytest

from worker.venues.hyperliquid.errors import STATUSES, TEXTS, judge
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
    PreconditionFailed,
    Throttled,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return VenueResponse("/exchange", status, headers or {}, text, None if isinstance(body, str) else body)


def refusal(sentence: Any) -> VenueResponse:
    return answer({"status": "err", "response": sentence})


def judged(given: VenueResponse) -> VenueError:
    verdict = judge(given)
    assert verdict is not None
    return verdict


def test_every_sentence_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for text, meaning in TEXTS.items():
        for sentence in ["{}", "L1 error: {}", "{}. And more. asset=4"]:
            with subtests.test(text=text, sentence=sentence):
                said = sentence.format(text)
                verdict = judged(refusal(said))
                assert type(verdict) is meaning.error
                assert verdict.venue_code == text
                assert verdict.raw == {"status": "err", "response": said}
                assert verdict.message == f"Hyperliquid says {said!r}: {meaning.advice}"


def test_every_status_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for status, meaning in STATUSES.items():
        for body in ["Failed to deserialize the JSON body into the target type", None]:
            with subtests.test(status=status, body=body):
                verdict = judged(answer(body, status))
                assert type(verdict) is meaning.error
                assert meaning.advice in verdict.message


KNOWN_SENTENCES: list[tuple[str, type[VenueError]]] = [
    ("Invalid leverage value", ValueRefused),
    ("Cross margin is not allowed for this asset.", ValueRefused),
    ("Cannot switch leverage type with open position.", PreconditionFailed),
    ("Cross position does not have sufficient margin available to decrease leverage.", PreconditionFailed),
    ("Isolated position does not have sufficient margin available to decrease leverage.", PreconditionFailed),
    ("User or API Wallet 0x8c3ae6e7de0e0684fbfd0bf58c89c272773e5887 does not exist.", AccessDenied),
    ("L1 error: User or API Wallet 0x399129af1d8f5b030e00a3e15e68610a884bced6 does not exist.", AccessDenied),
    ("Must deposit before performing actions. User: 0x9a350a29af41dd611ba9e0dd9402051a6d0b", PreconditionFailed),
    ("User or API Wallet must deposit before performing actions", PreconditionFailed),
    ("Multi-sig required", AccessDenied),
    ("Mainnet and testnet require different signature.", AccessDenied),
    ("Invalid nonce: nonce too low 1791140676851 < 1791227196699", ClockSkewed),
    ("Invalid nonce: nonce too high 1791572677029 > 1791486156858", ClockSkewed),
    ("L1 error: Vault not registered: 0x6df4e05a0276a0f4f03ce15ed1d34dd8c38027e2", AccessDenied),
    ("Invalid nonce: duplicate nonce 1754918518000", ClockSkewed),
    ("Too many cumulative requests sent (37986 > 10436) for cumulative volume traded $437.92.", Throttled),
]  # fmt: skip


def test_the_sentences_that_the_venue_is_known_to_write(subtests: pytest.Subtests) -> None:
    for sentence, error in KNOWN_SENTENCES:
        with subtests.test(sentence=sentence):
            assert type(judged(refusal(sentence))) is error


def test_a_sentence_nobody_knows_refuses_nothing_for_certain_and_is_kept() -> None:
    verdict = judged(refusal("Something new."))
    assert type(verdict) is Unlisted
    assert verdict.venue_code == "Something new."
    assert "Something new." in verdict.message


def test_a_refusal_without_a_sentence_refuses_nothing_for_certain() -> None:
    assert type(judged(refusal({"odd": True}))) is Unlisted


def test_a_status_is_kept_as_the_code_where_there_is_no_sentence() -> None:
    assert judged(answer(None, 403)).venue_code == "403"


def test_a_server_error_tells_nothing(subtests: pytest.Subtests) -> None:
    for status in [500, 502, 503, 599]:
        for body in ["<html>", None, {"status": "err", "response": "Invalid leverage value"}]:
            with subtests.test(status=status, body=body):
                assert type(judged(answer(body, status))) is Ambiguous


@pytest.mark.parametrize("body", [{"status": "ok", "response": {"type": "default"}}, {}, [], [None], "<html>"])
def test_no_refusal_is_no_error(body: Any) -> None:
    assert judge(answer(body)) is None


def test_a_status_nobody_knows_is_left_to_the_fallback() -> None:
    assert judge(answer(None, 418)) is None


def test_who_used_up_its_actions_may_send_one_every_ten_seconds() -> None:
    verdict = judged(refusal("Too many cumulative requests sent (2 > 1) for cumulative volume traded $0."))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == 10_000


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "7"}, 7_000), ({}, None), ({"Retry-After": "x"}, None)])
def test_retry_after_is_read_in_milliseconds(headers: dict[str, str], wait: int | None) -> None:
    verdict = judged(answer(None, 429, headers))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == wait
