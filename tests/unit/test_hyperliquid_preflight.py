"""What the checks of a Hyperliquid account say of what the venue tells, and of what it does not."""

from typing import Any

import pytest

from worker.venues.hyperliquid.preflight import Validity, validity_of

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("agent", "validity"),
    [
        ({"validUntil": NOW}, Validity(NOW)),
        ({"validUntil": None}, Validity(None)),
        ({}, Validity(None, told=False)),
        ({"validUntil": "soon"}, Validity(None, told=False)),
        ({"validUntil": True}, Validity(None, told=False)),
        ({"validUntil": 0.5}, Validity(None, told=False)),
    ],
    ids=str,
)
def test_null_is_no_end_and_anything_else_but_a_time_is_not_told(agent: dict[str, Any], validity: Validity) -> None:
    assert validity_of(agent) == validity
