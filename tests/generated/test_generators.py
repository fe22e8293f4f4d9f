"""What generators make of our documents is complete, typed, and works: every operation of a running `up` is called."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas import HTTP_PREFIXES, OPERATIONS, ROUTES, Operation
from schemas.documents.definitions import success_name
from schemas.operations import CAPABILITIES_PATH
from tests.acceptance.conftest import RunningUp, up
from tests.contract.test_api_examples import EXAMPLES
from tests.support.strategy import Strategy
from worker.config.documents import FOLDER

pytestmark = pytest.mark.generated

TOOLS = Path(os.environ["PERPS_DMA_GENERATORS"]).resolve() if "PERPS_DMA_GENERATORS" in os.environ else Path()
PROGRAMS = Path(__file__).parent / "programs"
PYTHON = TOOLS / "python" / "bin"
NPM = TOOLS / "npm"
OPENAPI, ASYNCAPI = FOLDER / "openapi.yaml", FOLDER / "asyncapi.yaml"

FLAT = {"exchange_account_id": "binance-perp-001", "symbol": "ETH/USDT:USDT"}
TERMS = {"exchange_account_id": "binance-perp-001", "symbols": {"ETH/USDT:USDT": {"leverage": 4}}}
HALT = {"exchange_account_id": "okx-perp-001"}
REQUESTS: dict[str, dict[str, Any]] = {
    **{name: example.request for name, example in EXAMPLES.items()},
    "set_margin_mode": {**FLAT, "margin_mode": "isolated"},
    "get_position_mode": {"exchange_account_id": "binance-perp-001"},
    "set_position_mode": {"exchange_account_id": "bybit-perp-001", "symbol": "ETH/USDT:USDT", "position_mode": "hedge"},
    "get_leverage_tiers": FLAT,
    "plan_terms": TERMS,
    "apply_terms": {**TERMS, "force": True},
    "keep_terms": TERMS,
    "get_terms": {},
    "drop_terms": {"exchange_account_id": "binance-perp-001"},
    "cancel_command": {"command_id": "generated-terms"},
    "get_command": {"command_id": "generated-1"},
    "get_accounts": {},
    "get_snapshots": {"exchange": "binance"},
    "get_commands": {"limit": 10},
    "get_status": {},
    "get_doubts": {},
    "get_freezes": {},
    "freeze": {**HALT, "reason": "generated clients"},
    "unfreeze": HALT,
    "get_audit": {"limit": 10},
    "get_dead_letters": {"limit": 10},
    "requeue_dead_letter": {"letter_id": "generated-2", "reason": "generated clients"},
    "drop_dead_letter": {"letter_id": "generated-3", "reason": "generated clients"},
}
ADMIN = {name for name, operation in OPERATIONS.items() if "trader" not in operation.roles}


async def run(*command: str | Path, stdin: Any = None, folder: Path | None = None) -> str:
    """What a program prints; its complaints where it fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}"},
    )
    out, err = await process.communicate(json.dumps(stdin).encode() if stdin is not None else b"")
    assert process.returncode == 0, f"{out.decode()[-3000:]}{err.decode()[-3000:]}"
    return out.decode()


def called(operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "method": operation.method,
        "role": "admin" if operation.name in ADMIN else "trader",
        "model": operation.request.__name__ if operation.has_body else None,
        "inPath": list(operation.path_names),
        "request": REQUESTS[operation.name],
    }


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    async with up(tmp_path_factory.mktemp("generated"), {}) as running:
        yield running


@pytest.fixture
async def asked(service: RunningUp) -> dict[str, Any]:
    """Where to call, as whom, and what; the command that is asked about is there, and the letters are."""
    roles = ("trader", "admin")
    tokens = {role: (await service.cli("token", "--role", role)).out.strip() for role in roles}
    url = service.http + HTTP_PREFIXES[0]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {tokens['trader']}"}) as client:
        body = EXAMPLES["set_leverage"].request
        sent = await client.post(f"{url}/leverage", json=body, headers={"Idempotency-Key": "generated-1"})
        sent.raise_for_status()
        sent = await client.post(
            f"{url}/terms/apply", json={**TERMS, "force": True}, headers={"Idempotency-Key": "generated-terms"}
        )
        sent.raise_for_status()
    await bury(service)
    return {"url": url, "tokens": tokens, "calls": [called(operation) for operation in ROUTES]}


async def bury(service: RunningUp) -> None:
    """The two letters that are sent again and dropped are there, and none of those from before."""
    await service.cli("dead-letters", "drop", "--all", "--yes")
    async with Strategy.connected(service.amqp) as strategy:
        for name in ("requeue_dead_letter", "drop_dead_letter"):
            letter_id = REQUESTS[name]["letter_id"]
            await strategy.publish("set_leverage", {**FLAT, "leverage": 0}, message_id=letter_id)
            await strategy.dead_letter(letter_id)


SUCCESSES = {operation.name: success_name(operation) for operation in ROUTES}


async def test_openapi_python_client_calls_every_operation(asked: dict[str, Any], tmp_path: Path) -> None:
    made = tmp_path / "made"
    said = await run(PYTHON / "openapi-python-client", "generate", "--path", OPENAPI, "--output-path", made)
    assert "WARNING" not in said.upper(), said
    answers = json.loads(await run(PYTHON / "python", PROGRAMS / "openapi_python_client.py", made, stdin=asked))
    assert answers == {name: [200, success] for name, success in SUCCESSES.items()}


async def test_openapi_generators_python_client_calls_every_operation(asked: dict[str, Any], tmp_path: Path) -> None:
    await run(PYTHON / "openapi-generator-cli", "generate", "-i", OPENAPI, "-g", "python", "-o", tmp_path / "made")
    program = PROGRAMS / "openapi_generator.py"
    answers = json.loads(await run(PYTHON / "python", program, tmp_path / "made", stdin=asked))
    assert answers == {name: [200, success] for name, success in SUCCESSES.items()}


INSTANTS = ("since", "timestamp", "received", "finished", "deadline", "at", "next_look", "snapshot_interval_ms")
NARROW = {"java": "Integer", "go": "int32", "csharp": "int", "rust": "i32"}
"""The 32-bit integers of each language."""


@pytest.mark.parametrize("language", NARROW)
async def test_milliseconds_are_64_bits_wide_and_a_freeze_has_its_reason(language: str, tmp_path: Path) -> None:
    await run(PYTHON / "openapi-generator-cli", "generate", "-i", OPENAPI, "-g", language, "-o", tmp_path)
    files = code_of(tmp_path)
    for name in INSTANTS:
        found = [match[0] for text in files.values() for match in re.finditer(narrow(name, NARROW[language]), text)]
        assert not found, name
    freeze = next(text for file, text in files.items() if file.removeprefix("model_") == "freeze")
    assert "reason" in freeze.lower()


def code_of(folder: Path) -> dict[str, str]:
    """The generated code, by the lower-case names of its files."""
    kinds = {".java", ".go", ".cs", ".rs"}
    return {path.stem.lower(): path.read_text() for path in folder.rglob("*") if path.suffix in kinds}


def narrow(name: str, kind: str) -> str:
    """What declares a field of a narrow type, the type before it or behind."""
    camel = re.sub("_(.)", lambda match: match[1].upper(), name)
    field = rf"\b({name}|{camel}|{camel[0].upper()}{camel[1:]})\b"
    return rf"(\b{kind}\b\??\s+{field}\s*[;={{])|({field}:?\s+\*?(Option<)?{kind}\b)"


async def test_datamodel_code_generator_reads_every_answer(asked: dict[str, Any], tmp_path: Path) -> None:
    await run(
        *(PYTHON / "datamodel-codegen", "--input", OPENAPI, "--input-file-type", "openapi"),
        *("--output-model-type", "pydantic_v2.BaseModel", "--output", tmp_path / "made.py", "--formatters", "builtin"),
    )
    bodies = {}
    async with httpx.AsyncClient() as client:
        for operation in ROUTES:
            call, path = called(operation), operation.path.format(**REQUESTS[operation.name])
            rest = {key: value for key, value in call["request"].items() if key not in operation.path_names}
            token = {"Authorization": f"Bearer {asked['tokens'][call['role']]}"}
            body, query = (rest, None) if operation.has_body else (None, rest)
            answer = await client.request(operation.method, asked["url"] + path, headers=token, json=body, params=query)
            bodies[success_name(operation)] = answer.raise_for_status().json()
        bodies["CapabilitiesSuccess"] = (await client.get(asked["url"] + CAPABILITIES_PATH, headers=token)).json()
    read = json.loads(await run(PYTHON / "python", PROGRAMS / "datamodel.py", tmp_path, stdin=bodies))
    assert read == {name: name for name in bodies}


async def test_hey_apis_client_compiles_strictly_and_calls_every_operation(asked: dict[str, Any]) -> None:
    folder, tools = NPM / "hey", NPM / "node_modules" / ".bin"
    await run(tools / "openapi-ts", "-i", OPENAPI, "-o", folder / "made", folder=NPM)
    for name in ("call.ts", "node.d.ts", "tsconfig.json"):
        shutil.copy(PROGRAMS / name, folder / name)
    await run(tools / "tsc", "-p", folder)
    bundle = folder / "call.mjs"
    await run(
        tools / "esbuild", folder / "call.ts", "--bundle", "--platform=node", "--format=esm", f"--outfile={bundle}"
    )
    answers = json.loads(await run("node", bundle, stdin=asked))
    assert answers == {name: [200, False] for name in SUCCESSES}


async def test_modelina_finds_a_name_for_every_model() -> None:
    (NPM / "modelina.mjs").write_text((PROGRAMS / "modelina.mjs").read_text())
    made = json.loads(await run("node", NPM / "modelina.mjs", ASYNCAPI))
    for generator, models in made.items():
        assert models["nameless"] == [], generator
        assert models["count"] > 50, generator


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI], ids=lambda path: path.name)
async def test_spectral_has_no_warning(document: Path) -> None:
    (NPM / "ruleset.yaml").write_text('extends: ["spectral:oas", "spectral:asyncapi"]\n')
    found = await run(
        *(NPM / "node_modules/.bin/spectral", "lint", "--ruleset", NPM / "ruleset.yaml"),
        *("--format", "json", "--quiet", "--fail-severity", "warn", document),
    )
    warnings = [row for row in json.loads(found[found.index("[") :]) if row["severity"] <= 1]
    assert warnings == []
