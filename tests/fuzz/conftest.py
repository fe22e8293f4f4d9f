"""How much is made up at random: always the same in a test run, another and more of it in `make fuzz`."""

import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

LONG = int(os.environ.get("PERPS_DMA_FUZZ_EXAMPLES", "0"))
"""How many examples each test makes up, where it is not to be always the same ones."""

SEED = int(os.environ.get("PERPS_DMA_FUZZ_SEED") or secrets.randbits(32))


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """So many examples, the same every time; or as many others as `make fuzz` asks for, by a seed that it prints."""
    bounds = settings(
        max_examples=LONG or examples,
        derandomize=not LONG,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    return lambda test: bounds(seed(SEED)(test)) if LONG else bounds(test)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LONG:
        terminalreporter.write_line(f"fuzz: PERPS_DMA_FUZZ_EXAMPLES={LONG} PERPS_DMA_FUZZ_SEED={SEED} repeats it")
