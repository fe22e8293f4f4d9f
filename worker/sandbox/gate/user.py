"""Whose a key is, and what the keys of a main account may do ("Account" in the APIv4 documentation)."""

from typing import Any

from worker.sandbox.gate.account import GateAccountState
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.errors import GateRefused

SHOWN = 12
"""How many characters of a key are told; the rest is five stars."""

CLASSIC = 1
CREATED = 1_706_745_600
ANOTHER = {"name": "spot", "read_only": False}


def detail(_question: GateRequest, account: GateAccountState) -> dict[str, Any]:
    """GET /account/detail."""
    return {
        "user_id": account.user,
        "ip_whitelist": list(account.key.ip_whitelist),
        "currency_pairs": [],
        "key": {"mode": CLASSIC},
        "tier": 0,
        "copy_trading_role": 0,
    }


def main_keys(_question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """GET /account/main_keys: all keys of the user, here ours and another one, for main accounts only."""
    if account.key.sub_account:
        raise GateRefused("FORBIDDEN", "main account")
    ours = [{"name": name, "read_only": read_only} for name, read_only in account.key.perms.items()]
    another = account.api_key[::-1]
    return [
        _row(account, account.id, account.api_key, ours) | {"state": account.key.state},
        _row(account, "another", another, [ANOTHER]),
    ]


def _row(account: GateAccountState, name: str, key: str, perms: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "state": 1,
        "mode": CLASSIC,
        "name": name,
        "user_id": account.user,
        "perms": perms,
        "ip_whitelist": list(account.key.ip_whitelist),
        "currency_pairs": [],
        "key": key[:SHOWN] + 5 * "*",
        "created_at": CREATED,
        "update_at": CREATED,
        "last_access": CREATED,
    }
