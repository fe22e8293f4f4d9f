"""What OKX says on a private stream beside data, as data: refusals by code, close frames, kinds of events.

Sources, of 2026-07-13: the WebSocket part of the error code page (https://www.okx.com/docs-v5/en/#error-code-websocket)
and its close frame status codes; the pages of the channels. A message is never told on: that of 60012 repeats the
request, and thus the login with its passphrase.
"""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.port.streams import Refusal, RiskKind, Why

_KEY = "check the API key, its secret and its passphrase"
_CLOCK = "the timestamp of the login is not the venue's time"
_OURS = "OKX does not take a request that this program made"

REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "60004": Refusal(f"60004: {_CLOCK}"),
        "60005": Refusal(f"60005: the API key is invalid; {_KEY}", lasts=True),
        "60006": Refusal(f"60006: {_CLOCK}"),
        "60007": Refusal(f"60007: the signature is wrong; {_KEY}", lasts=True),
        "60009": Refusal("60009: the login failed"),
        "60011": Refusal("60011: nobody is logged in"),
        "60012": Refusal(f"60012: {_OURS}", lasts=True),
        "60013": Refusal(f"60013: {_OURS}", lasts=True),
        "60014": Refusal("60014: too many requests"),
        "60018": Refusal("60018: there is no such channel at this host", lasts=True),
        "60019": Refusal(f"60019: {_OURS}", lasts=True),
        "60020": Refusal("60020: too many subscriptions with this API key", lasts=True),
        "60024": Refusal(f"60024: the passphrase is wrong; {_KEY}", lasts=True),
        "60031": Refusal("60031: a connection logs in but once"),
        "60032": Refusal(
            f"60032: OKX has no such key here; {_KEY}, and whether the account's region is right", lasts=True
        ),
        "63999": Refusal("63999: the login failed for an internal error of OKX"),
    }
)
"""What the code of an `error` event refuses."""

TOO_MANY_CONNECTIONS = "channel-conn-count-error"
"""The event that follows an acknowledgement where more than 30 connections listen: the subscription is dead."""

CLOSES: Mapping[int, Refusal] = MappingProxyType(
    {
        4002: Refusal(f"4002: {_OURS}", lasts=True),
        4003: Refusal("4003: more than 100 connections with this API key", lasts=True),
        4007: Refusal("4007: the API key was changed or deleted", lasts=True),
        4008: Refusal("4008: too many channels", lasts=True),
        4009: Refusal("4009: too many channels", lasts=True),
    }
)
"""What a close frame refuses. 4001 (login failed) follows an `error` event; 4004 (30 s without data) and 4005 (we read
too slowly) only end the connection."""

RESTARTING = "64008"
"""The code of a notice: the server restarts in 30 s, and another takes connections already."""

WHY: Mapping[str, Why] = MappingProxyType(
    {
        "delivered": Why.POSITIONS,
        "exercised": Why.POSITIONS,
        "transferred": Why.BALANCE,
        "filled": Why.POSITIONS,
        "liquidation": Why.RISK,
        "claw_back": Why.BALANCE,
        "adl": Why.RISK,
        "funding_fee": Why.FUNDING,
        "adjust_margin": Why.POSITIONS,
        "set_leverage": Why.SETTINGS,
        "interest_deduction": Why.BALANCE,
        "settlement": Why.POSITIONS,
    }
)
"""What an `eventType` of `balance_and_position` says has changed ("Balance and position channel")."""

RISKS: Mapping[str, RiskKind] = MappingProxyType(
    {"liquidation": RiskKind.LIQUIDATION, "adl": RiskKind.AUTO_DELEVERAGING}
)
"""The events that are a word of danger."""
