"""The typed client's distribution, as somebody installs it who has nothing else of ours."""

import asyncio
import json
import sys
import zipfile
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue

ROOT = Path(__file__).parents[2]
LARGEST = 1_000_000
"""Bytes."""

PROGRAM = f"""
import asyncio, importlib.metadata, json, sys
from perps_dma import PerpsDma, blocking

async def main(url):
    async with PerpsDma(url) as dma:
        result = await dma.set_leverage({ACCOUNT.id!r}, {BTC.symbol!r}, 10)
        return [result.outcome, result.confirmed_by, str(result.applied.leverage)]

url = sys.argv[1]
told = asyncio.run(main(url))
with blocking.PerpsDma(url) as dma:
    told.append(str(dma.get_positions({ACCOUNT.id!r}).data.positions[0].leverage))
names = importlib.metadata.packages_distributions()
print(json.dumps([told, sorted(name for name, owners in names.items() if "perps-dma-client" in owners)]))
print(json.dumps(sorted({{"schemas", "worker"}} & names.keys() | {{"schemas", "worker"}} & sys.modules.keys())))
"""

TYPED = """
from perps_dma import PerpsDma, blocking

async def main(dma: PerpsDma) -> None:
    reveal_type(await dma.set_leverage("a", "BTC/USDT:USDT", 10))
    reveal_type(await dma.get_positions("a"))

def waiting(dma: blocking.PerpsDma) -> None:
    reveal_type(dma.set_margin_mode("a", "BTC/USDT:USDT", "cross"))
    dma.set_margin_mode("a", "BTC/USDT:USDT", "crossed")
"""


async def run(*command: str | Path, status: int = 0) -> str:
    """What it prints; it runs where nothing of ours is."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, stderr=PIPE, cwd="/")
    out, problem = await process.communicate()
    assert process.returncode == status, problem.decode() + out.decode()
    return out.decode()


@pytest.fixture(scope="module")
async def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    await run(ROOT / "deploy" / "client" / "build.sh", sys.executable, folder)
    [built] = folder.iterdir()
    return built


async def test_it_is_small_typed_and_brings_one_name_and_two_dependencies(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        size = sum(row.compress_size for row in files.infolist())
        names = files.namelist()
        metadata = files.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert size < LARGEST
    assert "perps_dma/py.typed" in names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"perps_dma"}
    needs = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert {Requirement(need).name for need in needs} == {"aio-pika", "pydantic"}


async def test_it_has_every_module_of_the_schemas(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        built = {name for name in files.namelist() if name.endswith(".py")}
    ours = {f"perps_dma/{path.relative_to(ROOT / 'schemas').as_posix()}" for path in (ROOT / "schemas").rglob("*.py")}
    assert built == ours


@pytest.fixture(scope="module")
async def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment where the wheel is, with what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    await run(sys.executable, "-m", "venv", folder)
    fresh = folder / "bin" / "python"
    await run(fresh, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    return fresh


@pytest.mark.long
async def test_a_fresh_environment_with_nothing_else_of_ours_uses_it(
    python: Path, amqp_url: str, venue: MemoryVenue
) -> None:
    told, ours = (await run(python, "-W", "error", "-c", PROGRAM, amqp_url)).splitlines()
    assert json.loads(told) == [["applied", "echo", "10", "10"], ["perps_dma"]]
    assert json.loads(ours) == []
    assert venue.leverage == 10


@pytest.mark.long
async def test_a_type_checker_knows_what_the_methods_take_and_return(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "typed.py"
    program.write_text(TYPED)
    strictly = ("--strict", "--config-file=", "--cache-dir", tmp_path, "--python-executable", python)
    checked = await run(sys.executable, "-m", "mypy", *strictly, program, status=1)
    told = [line.partition(": ")[2] for line in checked.splitlines() if "typed.py:" in line]
    assert told == [
        'note: Revealed type is "perps_dma.client.answers.Result[perps_dma.replies.LeverageSet]"',
        'note: Revealed type is "perps_dma.client.answers.Answer[perps_dma.replies.Positions]"',
        'note: Revealed type is "perps_dma.client.answers.Result[perps_dma.replies.MarginModeSet]"',
        'error: Argument 3 to "set_margin_mode" of "BlockingCalls" has incompatible type "Literal[\'crossed\']"; '
        "expected \"Literal['cross', 'isolated'] | MarginMode\"  [arg-type]",
    ]
