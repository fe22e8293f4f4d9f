"""Whatever is asked over HTTP: the answer is of the documented shape, and never a fault of ours.

Schemathesis makes requests of the OpenAPI document, some that keep to it and some that do not, and judges the answers.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import requests
import schemathesis

from schemas.documents.openapi import openapi
from schemas.events.following import EVENTS_PATH
from schemas.operations import HTTP_PREFIXES
from tests.acceptance.conftest import RunningUp, up
from tests.fuzz.conftest import SEED, TIMES, examples
from tests.fuzz.test_bus import is_fit_to_show, violations

ENOUGH = 1_000_000
GRANTED: Mapping[str, Mapping[str, int]] = {
    "binance": {"futures weight": ENOUGH, "papi weight": ENOUGH},
    "hyperliquid": {"weight": ENOUGH},
}
LIMITS: Mapping[str, Mapping[str, int]] = {"binance": {"fapi": ENOUGH, "dapi": ENOUGH, "papi": ENOUGH}}

ACCOUNTS = (
    "binance-perp-001",
    "binance-pm-001",
    "bybit-perp-001",
    "gate-perp-001",
    "okx-perp-001",
    "hyperliquid-perp-001",
)
SYMBOLS = ("BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USDT:USDT")

KNOWN = {
    "accounts": {"values": list(ACCOUNTS)},
    "portfolio margin": {"values": ["binance-pm-001"]},
    "symbols": {"values": list(SYMBOLS)},
    "assets": {"values": ["USDT", "BTC", "BNB"]},
    "keys": {"values": [f"key-{number}" for number in range(20)]},
    "preferences": {"values": ["wait=5", "respond-async", "wait=0", "wait=5, respond-async"]},
}
USED = {
    "symbol": ("symbols", 0.8),
    "body.symbol": ("symbols", 0.8),
    "body.asset": ("assets", 0.8),
    "Idempotency-Key": ("keys", 0.2),
    "command_id": ("keys", 0.8),
    "Prefer": ("preferences", 0.8),
}
"""Made up letter by letter, hardly any request would name an account or a market that there is."""


def words(accounts: str) -> dict[str, Any]:
    """What stands for which parameter, how often."""
    used = {**USED, "exchange_account_id": (accounts, 0.8), "body.exchange_account_id": (accounts, 0.8)}
    return {name: {"dictionary": known, "probability": often} for name, (known, often) in used.items()}


CONFIG = schemathesis.Config.from_dict(
    {
        "seed": SEED,
        "dictionaries": KNOWN,
        "parameters": words("accounts"),
        "operations": [{"include-path-regex": "portfolio-margin", "parameters": words("portfolio margin")}],
        "generation": {"max-examples": examples(6), "deterministic": not TIMES},
        # A venue may refuse what the document allows, with the same 400: `keeps_to_the_document` looks closer.
        "checks": {
            "positive_data_acceptance": {"enabled": False},
            # What has more symbols than a document may have is refused for its size, before anybody reads it.
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
            },
        },
    }
)
SCHEMA = schemathesis.openapi.from_dict(openapi(), config=CONFIG).exclude(path=EVENTS_PATH)
"""Without the events, whose answers have no end."""


VENUES_WORD = ("rejected", "unsupported")
"""Codes of a 400 that says nothing against the form of a request."""


def keeps_to_the_document(
    _: schemathesis.CheckContext, answer: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """What the document allows is understood; and what is said about it can be shown to a person."""
    if answer.headers.get("content-type") == ["application/json"] and "message" in (said := answer.json()):
        assert is_fit_to_show(said["message"]), said
    if answer.status_code == 400 and _is_allowed(case):
        assert answer.json()["error"]["code"] in VENUES_WORD, answer.text


def _is_allowed(case: schemathesis.Case[Any]) -> bool:
    if case.method == "DELETE":
        return False  # that exactly one parameter names what to unfreeze is more than OpenAPI can say of parameters
    if {"symbol", "settle"} <= (case.query or {}).keys():
        return False  # and so is that one of these alone names the part of an account
    if case.method == "POST":  # what is taken from our dictionaries is not looked at again by who made the body
        operation = case.operation.definition.raw["operationId"]
        if violations(f"{operation}.request", case.body):
            return False
    return case.meta is not None and case.meta.generation.mode.is_positive


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    """A running `up`, whose venues take as much as is asked of them."""
    async with up(tmp_path_factory.mktemp("fuzz"), GRANTED) as running:
        async with httpx.AsyncClient() as client:
            for venue, limits in LIMITS.items():
                (await client.put(f"{running.control_urls[venue]}/limits", json=dict(limits))).raise_for_status()
        yield running


@pytest.fixture(scope="module")
async def sessions(service: RunningUp) -> AsyncIterator[Mapping[str, requests.Session]]:
    """An HTTP client for each role."""
    made: dict[str, requests.Session] = {}
    for role in ("trader", "admin"):
        made[role] = requests.Session()
        token = (await service.cli("token", "--role", role)).out.strip()
        made[role].headers["Authorization"] = f"Bearer {token}"
    yield made
    for session in made.values():
        session.close()


@pytest.mark.parametrize(("prefix", "role"), tuple(zip(HTTP_PREFIXES, ("trader", "admin"), strict=True)))
@SCHEMA.parametrize()
def test_every_answer_is_as_documented(
    case: schemathesis.Case[Any],
    service: RunningUp,
    sessions: Mapping[str, requests.Session],
    prefix: str,
    role: str,
) -> None:
    # Both prefixes do the same, so each has one of the roles.
    case.call_and_validate(
        base_url=service.http + prefix, session=sessions[role], timeout=30, additional_checks=[keeps_to_the_document]
    )
