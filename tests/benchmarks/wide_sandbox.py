"""The stand-in venues with as many perpetuals as Binance really lists:  python -m tests.benchmarks.wide_sandbox"""

from dataclasses import replace

import uvloop

from worker.config.settings import Settings
from worker.sandbox.app.process import run_sandbox
from worker.sandbox.binance import contracts

MORE = 600


def widen() -> None:
    """List further perpetuals, each like SOLUSDT but for its name."""
    like = next(contract for contract in contracts.PERPETUALS if contract.symbol == "SOLUSDT")
    names = (f"W{number:03}" for number in range(MORE))
    further = (replace(like, symbol=f"{name}USDT", pair=f"{name}USDT", base=name) for name in names)
    contracts.PERPETUALS = (*contracts.PERPETUALS, *further)


if __name__ == "__main__":
    widen()
    uvloop.run(run_sandbox(Settings()))
