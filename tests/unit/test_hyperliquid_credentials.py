"""Signer, owner and vault are told apart, and what is malformed is named without telling the key."""

import pytest
from pydantic import SecretStr

from worker.accounts.account import Account
from worker.venues.client.connections import VenueConnections
from worker.venues.hyperliquid.adapter import HyperliquidAdapter
from worker.venues.hyperliquid.client import without_keys
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.hyperliquid.instruments import Universe
from worker.venues.hyperliquid.signing import LEAD, nonces_of
from worker.venues.port.errors import AccessDenied

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
SIGNER = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"
OWNER, VAULT = "0x" + "aB" * 20, "0x" + "cD" * 20
CURVE_ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


def account(secret: str = KEY, address: str = OWNER, vault: str | None = None) -> Account:
    return Account(
        id="hl", exchange="hyperliquid", secret=SecretStr(secret), account_address=address, vault_address=vault
    )


@pytest.mark.parametrize("secret", [KEY, "0x" + KEY, KEY.upper(), "0x" + KEY.upper()])
def test_a_key_is_read_with_and_without_its_prefix(secret: str) -> None:
    who = credentials_of(account(secret))
    assert (who.private_key, who.signer) == (KEY, SIGNER)


def test_the_account_owns_the_positions_unless_it_acts_for_a_vault() -> None:
    alone, acting = credentials_of(account()), credentials_of(account(vault=VAULT))
    assert (alone.owner, alone.vault) == (OWNER.lower(), None)
    assert (acting.owner, acting.account) == (VAULT.lower(), OWNER.lower())
    assert SIGNER not in (alone.owner, acting.owner)


MALFORMED_KEYS = ["", "0x", KEY[:-1], KEY + "0", "0x" + KEY[:-1] + "g", " " + KEY, "0" * 64, CURVE_ORDER, "X" * 64]


@pytest.mark.parametrize("secret", MALFORMED_KEYS)
def test_a_malformed_key_is_refused_and_never_told(secret: str) -> None:
    with pytest.raises(AccessDenied, match="the secret of hl is no private key") as caught:
        credentials_of(account(secret))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert not secret or secret not in f"{caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("address", ["", "0x", OWNER[2:], OWNER[:-1], OWNER + "0", "0x" + "zz" * 20, KEY])
def test_a_malformed_address_is_refused_by_its_name(address: str) -> None:
    with pytest.raises(AccessDenied, match="the account_address of hl is no address"):
        credentials_of(account(address=address))
    with pytest.raises(AccessDenied, match="the vault_address of hl is no address"):
        credentials_of(account(vault=address))


def test_credentials_do_not_show_the_key() -> None:
    assert KEY not in repr(credentials_of(account()))


async def test_an_adapter_is_not_made_with_malformed_credentials() -> None:
    async with VenueConnections() as connections:
        public = without_keys(connections, None, 1_000)
        with pytest.raises(AccessDenied, match="no private key"):
            public.for_account(account("short"))
        with pytest.raises(AccessDenied, match="no address"):
            HyperliquidAdapter(account(address="0x1"), public, Universe(()))


def test_one_signer_has_one_source_of_nonces() -> None:
    assert nonces_of(SIGNER) is nonces_of(SIGNER)
    assert nonces_of(SIGNER) is not nonces_of(OWNER)


def test_nonces_rise_even_when_the_clock_stands_still_or_goes_back() -> None:
    source = nonces_of("0x" + "11" * 20)
    taken = [source.take(now) for now in (1_000, 1_000, 1_000, 5_000, 900, 5_000)]
    assert taken == [1_000, 1_001, 1_002, 5_000, 5_001, 5_002]


def test_a_clock_that_was_days_ahead_does_not_spoil_the_signer() -> None:
    source = nonces_of("0x" + "22" * 20)
    assert [source.take(now) for now in (1_000, 1_000 + LEAD - 1, 1_001)] == [1_000, 1_000 + LEAD - 1, 1_000 + LEAD]
    assert [source.take(now) for now in (2_000 + 3 * LEAD, 2_000, 2_000)] == [2_000 + 3 * LEAD, 2_000, 2_001]
