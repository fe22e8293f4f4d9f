"""How much is made up at random: always the same in a test run, in `make fuzz` something else and much more of it.

PERPS_DMA_FUZZ_TIMES sets how many times as much, PERPS_DMA_FUZZ_SEED repeats it.
"""

import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

TIMES = int(os.environ.get("PERPS_DMA_FUZZ_TIMES", "0"))
"""How many times as many examples, made up anew; 0 for those that are always the same."""

SEED = int(os.environ.get("PERPS_DMA_FUZZ_SEED") or secrets.randbits(32)) if TIMES else 1


def examples(usual: int) -> int:
    """How many examples a test makes up."""
    return usual * (TIMES or 1)


def fuzzed(usual: int) -> Callable[[Any], Any]:
    """Run a property test on so many examples."""
    bounds = settings(
        max_examples=examples(usual),
        derandomize=not TIMES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        # Looking for a smaller example takes long where nothing comes, and the broken part stays broken meanwhile.
        phases=(Phase.generate,),
    )
    return lambda test: bounds(seed(SEED)(test)) if TIMES else bounds(test)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TIMES:
        terminalreporter.write_line(f"fuzz: PERPS_DMA_FUZZ_TIMES={TIMES} PERPS_DMA_FUZZ_SEED={SEED} repeats it")
