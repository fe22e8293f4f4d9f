"""What a key may do, as it is told itself (Get API Key Information)."""

import zlib
from datetime import UTC, datetime
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.bybit.account import ANY_ADDRESS, CLASSIC, BybitAccountState
from worker.sandbox.bybit.contracts import BybitExchangeState
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.kit.clock import DAY

HIDDEN = "XXXXXX"
"""The key itself: who asks has it already."""

OTHER_GROUPS = ("Spot", "Options", "CopyTrading", "BlockTrade", "Exchange", "NFT", "Affiliate", "Earn")


def key_information(
    exchange: BybitExchangeState, _parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/user/query-api, which every key may ask about itself. Only a key that is not bound has an expiry."""
    key, number = account.key, zlib.crc32(account.id.encode())
    expiry = exchange.clock.now() + key.days_left * DAY
    lasting = {"deadlineDay": key.days_left, "expiredAt": _text(expiry)} if ANY_ADDRESS in key.ips else {}
    return {
        "id": str(number),
        "note": account.id,
        "apiKey": HIDDEN,
        "readOnly": int(key.read_only),
        "secret": "",
        "permissions": {
            "ContractTrade": list(key.contract_trade),
            "Wallet": list(key.wallet),
            "Derivatives": list(key.derivatives),
            **{group: [] for group in OTHER_GROUPS},
        },
        "ips": list(key.ips),
        "type": 1,
        **lasting,
        "createdAt": _text(key.created),
        "unified": 0,
        "uta": int(account.status != CLASSIC),
        "userID": 24_000_000 + number % 1_000_000,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_DEFAULT",
        "kycRegion": "",
    }


def _text(instant: Milliseconds) -> str:
    return datetime.fromtimestamp(instant // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
