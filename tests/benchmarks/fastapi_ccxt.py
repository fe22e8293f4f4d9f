"""The peer: what a user would write in an afternoon. FastAPI, and ccxt in process with an instance for each account.

Its throttler is off. There is no ledger, no event, no right, no order, and nothing is confirmed.

    python -m tests.benchmarks.fastapi_ccxt STATE PORT
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from tests.benchmarks.routes import Venue


class LeverageRequest(BaseModel):
    """The same body that ours takes."""

    exchange_account_id: str
    symbol: str
    leverage: int


def application(venue: Venue) -> FastAPI:
    """The accounts of a venue behind a route."""
    exchanges: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for account in venue.accounts:
            exchanges[account] = venue.instance(account)
        first, *others = exchanges.values()
        await first.load_markets()
        for other in others:
            other.set_markets_from_exchange(first)
        yield
        await asyncio.gather(*(exchange.close() for exchange in exchanges.values()))

    app = FastAPI(lifespan=lifespan)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/leverage")
    async def leverage(request: LeverageRequest) -> dict[str, Any]:
        if (exchange := exchanges.get(request.exchange_account_id)) is None:
            raise HTTPException(404)
        answer = await exchange.set_leverage(request.leverage, request.symbol)
        return {"leverage": answer["leverage"], "symbol": request.symbol}

    return app


def main(state: Path, port: int) -> None:
    """Serve until told to stop."""
    listed = json.loads((state / "sandbox.json").read_text())
    venue = Venue(listed["venues"]["binance"]["base_url"], {row["id"]: row for row in listed["accounts"]})
    uvicorn.run(application(venue), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
