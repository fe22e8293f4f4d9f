"""ccxt would log and print the headers of signed requests; whatever it is set to, it does not get to."""

import logging
from typing import get_args

import pytest

from schemas.control import Exchange
from tests.support.canaries import Canaries, of_accounts
from tests.support.sandbox_harness import sandbox_harness
from worker.venues.client.signing import SigningExchange
from worker.venues.port.errors import VenueError


@pytest.mark.parametrize("exchange", get_args(Exchange.__value__))
async def test_it_says_nothing_even_when_it_is_told_to_say_everything(
    exchange: Exchange,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(SigningExchange, "verbose", True, raising=False)
    async with sandbox_harness(exchange) as harness:
        caplog.set_level(logging.DEBUG)
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("ccxt")]:
            caplog.set_level(logging.DEBUG, name)
        adapter = harness.adapter()
        await adapter.positions()
        await harness.control.post("/faults", json={"fault": "status", "status": 401, "body": "{}", "times": None})
        with pytest.raises(VenueError):
            await adapter.positions()
        assert [record for record in caplog.records if record.name.startswith("ccxt")] == []
        assert capfd.readouterr() == ("", "")
        assert Canaries.of(of_accounts(harness.sandbox.accounts), {}).found(caplog.text) == set()
