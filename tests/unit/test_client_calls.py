"""The client's methods are the operations, and what comes is read as it was meant."""

import inspect
import json
import runpy
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from schemas import (
    BookChange,
    BrokerAway,
    CommandExpired,
    ConfirmedBy,
    ErrorCode,
    LiveBook,
    NoAnswer,
    OtherEvent,
    Outcome,
    PerpsDma,
    PositionsEvent,
    PositionSnapshot,
    RequestFailed,
    Result,
    blocking,
    failure,
)
from schemas.client.answers import Reply, result_of
from schemas.client.blocking_calls import BlockingCalls
from schemas.client.calls import Calls
from schemas.client.errors import BY_OUTCOME
from schemas.client.events import event_of
from schemas.operations import OPERATIONS, Operation
from schemas.replies import LeverageSet

MAKER = runpy.run_path(str(Path(__file__).parents[2] / "deploy" / "client" / "make_calls.py"))
OURS: tuple[Operation, ...] = MAKER["OURS"]
WRITTEN: Mapping[Path, str] = MAKER["modules"]()

SET = {
    "exchange": "binance",
    "exchange_account_id": "a",
    "symbol": "BTC/USDT:USDT",
    "leverage": 10,
    "result": {"leverage": 10, "symbol": "BTCUSDT"},
}


def methods(of: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(of, inspect.isfunction) if not name.startswith("_")}


def test_the_client_and_the_table_have_the_same_operations() -> None:
    ours = {name for name, operation in OPERATIONS.items() if operation.roles}
    assert methods(Calls) == methods(BlockingCalls) == ours == {operation.name for operation in OURS}
    assert methods(PerpsDma) == ours | {"events", "book", "ask"}
    assert methods(blocking.PerpsDma) == ours | {"events", "book", "wait"}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_the_methods_are_those_that_are_written_out_of_the_table(path: Path) -> None:
    assert path.read_text() == WRITTEN[path], "run `make schemas`"


@pytest.mark.parametrize("operation", OURS, ids=lambda operation: operation.name)
def test_a_method_takes_the_fields_of_its_request(operation: Operation) -> None:
    taken = inspect.signature(getattr(PerpsDma, operation.name)).parameters
    fields = operation.request.model_fields
    more = {"self", "timeout_s"} | ({"command_id", "reason"} if operation.is_command else set())
    assert set(taken) == set(fields) | more
    needed = {name for name, one in taken.items() if one.default is inspect.Parameter.empty} - {"self"}
    assert needed == {name for name, field in fields.items() if field.is_required()}


def reply(envelope: object, **headers: str) -> Reply:
    return Reply(json.dumps(envelope).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_later_version_of_the_service_may_tell_more() -> None:
    envelope = {"isError": False, "message": "set", "statusCode": 200, "data": {**SET, "news": 1}, "news": 2}
    result = result_of(reply(envelope, Outcome="applied", Confirmed_By="read_back"), LeverageSet, "c-1")
    assert (result.outcome, result.confirmed_by, result.command_id) == (
        Outcome.APPLIED,
        ConfirmedBy.READ_BACK,
        "c-1",
    )
    assert result.applied == LeverageSet.model_validate(SET)


def test_a_number_keeps_all_its_digits() -> None:
    exact = "0.12345678901234567890123"
    body = json.dumps({"isError": False, "message": "", "statusCode": 200, "data": SET}).replace("10", exact, 1)
    result = result_of(Reply(body.encode(), {"Outcome": "applied"}), LeverageSet, "c-1")
    assert result.applied is not None
    assert result.applied.leverage == Decimal(exact)


def test_without_an_outcome_it_is_not_told_that_there_is_one() -> None:
    waiting = failure(ErrorCode.TIMEOUT, "the ledger can't be used").model_dump(mode="json")
    with pytest.raises(NoAnswer) as no_answer:
        result_of(reply(waiting), LeverageSet, "c-1")
    assert no_answer.value.command_id == "c-1"
    refused = failure(ErrorCode.CONFLICT, "the id is another command's").model_dump(mode="json")
    with pytest.raises(RequestFailed) as failed:
        result_of(reply(refused), LeverageSet, "c-1")
    assert (failed.value.code, failed.value.retryable) == (ErrorCode.CONFLICT, False)


def test_every_outcome_that_is_no_success_has_its_exception() -> None:
    assert BY_OUTCOME.keys() == {outcome for outcome in Outcome if not outcome.succeeded}
    late: Result[LeverageSet] = Result("c-1", Outcome.EXPIRED, None, None, "too late")
    with pytest.raises(CommandExpired, match="too late"):
        late.raise_for_outcome()
    done: Result[LeverageSet] = Result("c-1", Outcome.UNCHANGED, ConfirmedBy.ECHO, None, "so already")
    assert done.raise_for_outcome() is done


def snapshot(seq: int, account: str = "a") -> PositionSnapshot:
    return PositionSnapshot.model_validate(
        {
            "exchange": "binance",
            "exchange_account_id": account,
            "seq": seq,
            "as_of": 1,
            "trigger": "schedule",
            "command_ids": (),
            "coverage": ("linear",),
            "stale": False,
            "positions": (),
        }
    )


def test_an_event_of_a_kind_that_is_not_known_yet_is_told_as_it_is() -> None:
    known = PositionsEvent(id="1", subject="a", time="2026-01-01T00:00:00Z", epoch=1, data=snapshot(1))
    raw = json.loads(known.model_dump_json())
    assert event_of(json.dumps({**raw, "news": 1}).encode()) == known
    other = event_of(json.dumps({**raw, "type": "perps-dma.news.v1", "data": {"any": "thing"}}).encode())
    assert isinstance(other, OtherEvent)
    assert (other.type, other.data) == ("perps-dma.news.v1", {"any": "thing"})
    for nonsense in (b"{", b"[]", b"{}", b'{"type": "perps-dma.positions.v1"}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            event_of(nonsense)


def a_book() -> LiveBook:
    async def begin() -> object:
        raise AssertionError("nothing is asked")

    return LiveBook(begin, lambda _: pytest.fail("nothing is followed"))  # type: ignore[arg-type]


def taken(book: LiveBook, *marks: tuple[int, int]) -> list[tuple[int, int, set[int]] | None]:
    changes: list[BookChange | None] = [book.take(epoch, snapshot(seq)) for epoch, seq in marks]
    return [None if one is None else (one.epoch, one.snapshot.seq, set(one.missing)) for one in changes]


def test_a_gap_is_told_until_what_is_missing_has_come() -> None:
    book = a_book()
    assert taken(book, (1, 5), (1, 6), (1, 9), (1, 7), (1, 10)) == [
        (1, 5, set()),
        (1, 6, set()),
        (1, 9, {7, 8}),
        None,
        (1, 10, {8}),
    ]
    assert taken(book, (1, 8), (1, 11)) == [None, (1, 11, set())]


def test_what_was_there_before_changes_nothing() -> None:
    book = a_book()
    assert taken(book, (1, 5), (1, 5), (1, 4)) == [(1, 5, set()), None, None]
    assert book.changes["a"].snapshot.seq == 5


def test_a_new_epoch_counts_anew_and_the_old_one_is_over() -> None:
    book = a_book()
    taken(book, (1, 50))
    book.take(1, snapshot(3, "b"))
    assert book.outdated == set()
    assert taken(book, (2, 4), (1, 51), (2, 5)) == [(2, 4, set()), None, (2, 5, set())]
    assert book.outdated == {"b"}


def test_the_thread_of_a_client_that_cant_begin_has_ended() -> None:
    client = blocking.PerpsDma("amqp://guest:guest@127.0.0.1:1/")
    with pytest.raises(BrokerAway), client:
        pass
    assert not client._thread.is_alive()
    assert client._loop.is_closed()
    with pytest.raises(RuntimeError, match="the client is not open"):
        client.get_status()
