"""When an account is read: once a turn, spread over the interval, the same for every worker."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_venue import THEN
from worker.snapshots.intervals import START_MS, Interval

INTERVAL, HEARTBEAT = 10_000, 60_000
RHYTHM = Interval(INTERVAL, HEARTBEAT)

moments = st.integers(THEN, THEN + 10**9)
names = st.text("abc-0123456789", min_size=1, max_size=8)
rhythms = st.builds(
    lambda interval, heartbeat, name: Interval(interval, heartbeat).of(name),
    st.integers(1, 10**6),
    st.integers(0, 10**7),
    names,
)


def begins(account_id: str) -> int:
    """When, within the interval, an account has its turn."""
    return RHYTHM.of(account_id).offset


def test_an_accounts_turns_are_the_same_for_every_worker_and_after_every_restart() -> None:
    assert begins("binance-main") == 4_831


def test_a_hundred_accounts_are_spread_over_the_interval() -> None:
    begun = [begins(f"binance-{number:03}") for number in range(100)]
    fullest = max(sum(at // 1_000 == second for at in begun) for second in range(10))
    assert fullest <= 20


@given(rhythms, moments, st.integers(0, 10**7))
def test_what_was_read_is_due_again_when_the_next_turn_begins_and_not_before(
    rhythm: Interval, read: int, later: int
) -> None:
    turn_ends = read + rhythm.wait(read)
    assert rhythm.is_due(read, read + later) == (read + later >= turn_ends)
    assert 0 < rhythm.wait(read) <= rhythm.interval


@given(rhythms, moments)
def test_every_account_is_looked_at_soon_after_the_start(rhythm: Interval, start: int) -> None:
    assert 0 <= rhythm.first_wait(start) <= START_MS


@given(rhythms, moments)
def test_whoever_reads_in_every_turn_keeps_the_heartbeat(rhythm: Interval, told: int) -> None:
    assert rhythm.is_silent(told, told + max(rhythm.heartbeat, rhythm.interval)) == (rhythm.heartbeat > 0)


@given(rhythms, moments)
def test_there_is_one_sign_of_life_a_turn_at_most(rhythm: Interval, told: int) -> None:
    assert not rhythm.is_silent(told, told + rhythm.wait(told) - 1)


def test_without_a_heartbeat_silence_is_no_reason() -> None:
    assert not Interval(INTERVAL, 0).is_silent(THEN, THEN + 10**9)


def test_a_clock_that_was_set_back_silences_no_heartbeat() -> None:
    assert RHYTHM.is_silent(THEN + 3_600_000, THEN)
    assert not RHYTHM.is_silent(THEN + INTERVAL, THEN), "another worker's clock may be ahead"
