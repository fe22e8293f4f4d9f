"""The matrix of what can be done where."""

import pytest

from schemas import HTTP_PREFIXES
from schemas.replies import Capabilities
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import shim_client


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
async def test_the_matrix_tells_dashes_from_yeses(prefix: str) -> None:
    async with shim_client(InMemoryCaller()) as client:
        body = (await client.get(f"{prefix}/capabilities")).json()
    rows = {(row.exchange, str(row.account_type)): row for row in Capabilities.model_validate(body["data"]).venues}
    assert body["statusCode"] == 200
    assert rows["binance", "standard"].margin_mode
    assert not rows["binance", "portfolio margin"].margin_mode
    assert not rows["hyperliquid", "standard"].margin_mode
    assert [exchange for (exchange, _), row in rows.items() if row.portfolio_margin] == ["binance"]


async def test_the_matrix_is_for_those_with_a_token() -> None:
    async with shim_client(InMemoryCaller(), Authorization="") as client:
        assert (await client.get(f"{HTTP_PREFIXES[0]}/capabilities")).status_code == 401
