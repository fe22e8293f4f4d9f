"""A trace goes on behind us as it came, and nothing that is no trace context is taken for one."""

from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.tracing import TraceContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_what_is_read_is_passed_on() -> None:
    context = TraceContext.read(f"00-{TRACE}-{SPAN}-00", "vendor=1,other=x")
    assert context is not None
    assert context.headers() == {"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "vendor=1,other=x"}


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    context = TraceContext.read(f"01-{TRACE}-{SPAN}-01-something-new")
    assert context == TraceContext(TRACE, SPAN, "01")


NO_CONTEXT: list[object] = [
    None,
    7,
    b"00-" + TRACE.encode(),
    "",
    "00-1",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01\n",
    f"00-{TRACE}-{SPAN}-01-{'x' * 1_000}",
]


def test_what_is_no_trace_context_is_none(subtests: pytest.Subtests) -> None:
    for header in NO_CONTEXT:
        with subtests.test(header=header):
            assert TraceContext.read(header) is None


@pytest.mark.parametrize("state", [None, "", 7, "a=1\r\nX-Injected: 1", "x" * 513])
def test_a_state_that_no_header_can_hold_is_left_out(state: object) -> None:
    context = TraceContext.read(f"00-{TRACE}-{SPAN}-01", state)
    assert context is not None
    assert "tracestate" not in context.headers()


@given(st.from_regex("00-[0-9a-f]{31}1-[0-9a-f]{15}1-[0-9a-f]{2}", fullmatch=True))
def test_every_header_of_our_version_is_written_as_it_was_read(header: str) -> None:
    context = TraceContext.read(header)
    assert context is not None
    assert context.traceparent == header


def test_new_traces_are_told_apart() -> None:
    assert len({TraceContext.new().trace_id for _ in range(100)}) == 100


def test_new_traces_have_ids_of_their_own_that_others_can_read() -> None:
    begun = [TraceContext.new() for _ in range(1_000)]
    assert len({context.trace_id for context in begun}) == len({context.span_id for context in begun}) == len(begun)
    assert all(TraceContext.read(context.traceparent) == context for context in begun)


def _ids(count: int) -> list[str]:
    return [TraceContext.new().trace_id for _ in range(count)]


def test_processes_forked_of_one_begin_other_traces() -> None:
    with get_context("fork").Pool(2) as first, get_context("fork").Pool(2) as second:
        found = [*first.apply(_ids, (10,)), *second.apply(_ids, (10,)), *_ids(10)]
    assert len(set(found)) == len(found)
