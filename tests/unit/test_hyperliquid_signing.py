"""Signatures: the compiled hash gives what ccxt's own gives, and nothing but a change of leverage is ever signed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ccxt.async_support.hyperliquid import hyperliquid
from ccxt.static_dependencies import keccak as package
from ccxt.static_dependencies.ethabi import abi, typed_data
from ccxt.static_dependencies.keccak import keccak as sponge
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from worker.accounts.account import Account
from worker.venues.client.connections import VenueConnections
from worker.venues.hyperliquid.client import HyperliquidTransport, without_keys
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.hyperliquid.signing import compile_ccxt, keccak256, nonces_of
from worker.venues.port.errors import NotSupported

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ACTION = {"type": "updateLeverage", "asset": 110_000, "isCross": True, "leverage": 7}
VAULT = "0x" + "cd" * 20


def in_python(data: bytes) -> bytearray:
    """What ccxt computes without any compiled library."""
    hashed: bytearray = sponge.Keccak(1600 - 256 * 2, 256 * 2, data, 0x01, 256 // 8)
    return hashed


@contextmanager
def hashing_in_python() -> Iterator[None]:
    package.SHA3 = sponge.SHA3 = typed_data.keccak = abi.keccak = in_python
    try:
        yield
    finally:
        compile_ccxt()


@given(st.binary(max_size=500))
def test_the_compiled_hash_is_the_same_as_the_one_in_python(data: bytes) -> None:
    assert keccak256(data) == in_python(data)


def test_every_place_where_ccxt_hashes_is_compiled() -> None:
    compile_ccxt()
    assert {package.SHA3, sponge.SHA3, typed_data.keccak, abi.keccak} == {keccak256}


@pytest.mark.parametrize("vault", [None, VAULT.removeprefix("0x")])
@pytest.mark.parametrize("nonce", [1_700_000_000_000, 1_795_000_000_001])
def test_signatures_are_the_same_with_the_compiled_hash(nonce: int, vault: str | None) -> None:
    exchange = hyperliquid({"privateKey": KEY})
    with hashing_in_python():
        slow = exchange.sign_l1_action(ACTION, nonce, vault)
    assert exchange.sign_l1_action(ACTION, nonce, vault) == slow


@pytest.fixture
async def public() -> AsyncIterator[HyperliquidTransport]:
    async with VenueConnections() as connections:
        yield without_keys(connections, "http://127.0.0.1:9", 1_000)


def account(name: str = "hl", vault: str | None = None) -> Account:
    return Account(
        id=name,
        exchange="hyperliquid",
        secret=SecretStr(KEY),
        account_address="0x" + "ab" * 20,
        vault_address=vault,
        base_url="http://127.0.0.1:9",
    )


def exchange_of(transport: HyperliquidTransport) -> Any:
    return transport._exchange


async def test_accounts_of_one_signer_never_use_a_nonce_twice(public: HyperliquidTransport) -> None:
    exchanges = [exchange_of(public.for_account(account(f"hl-{number}"))) for number in range(3)]
    assert {exchange.nonces for exchange in exchanges} == {nonces_of(credentials_of(account()).signer)}

    async def sent(exchange: Any) -> list[int]:
        bodies = [
            exchange.sign("exchange", ["private"], "POST", {"action": ACTION, "vaultAddress": None})["body"]
            for _ in range(20)
        ]
        return [exchange.parse_json(body)["nonce"] for body in bodies]  # fmt: skip

    nonces = [nonce for part in await asyncio.gather(*map(sent, exchanges)) for nonce in part]
    assert nonces == sorted(set(nonces))


@pytest.mark.parametrize("kind", ["setReferrer", "order", "vaultTransfer", "approveAgent"])
async def test_no_other_action_can_be_signed(public: HyperliquidTransport, kind: str) -> None:
    exchange = exchange_of(public.for_account(account()))
    with pytest.raises(NotSupported, match=kind):
        exchange.sign_l1_action({"type": kind}, 1, None)
    with pytest.raises(NotSupported, match="never signed"):
        exchange.sign("exchange", ["private"], "POST", {"action": {"type": kind}, "vaultAddress": None})


async def test_no_transfer_withdrawal_or_approval_can_be_signed(public: HyperliquidTransport) -> None:
    exchange = exchange_of(public.for_account(account()))
    with pytest.raises(NotSupported, match="withdrawal"):
        exchange.build_withdraw_sig({"hyperliquidChain": "Mainnet", "destination": VAULT, "amount": "1", "time": 1})
    with pytest.raises(NotSupported, match="approval"):
        await exchange.approve_builder_fee("0x" + "11" * 20, "0.01%")
    assert await exchange.initialize_client() is False


async def test_the_key_is_taken_out_of_any_answer(public: HyperliquidTransport) -> None:
    exchange = exchange_of(public.for_account(account()))
    answer = exchange.answered(
        {"url": "https://hyperliquid.test/info"}, 200, {}, b'{"you sent": "0x%s"}' % KEY.encode()
    )
    assert answer.body == {"you sent": "0x***"}
