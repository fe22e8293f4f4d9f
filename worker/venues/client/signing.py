"""What ccxt does for us: it names endpoints, signs requests and lists markets. What is signed, we send ourselves."""

import logging
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import SplitResult, quote, urlsplit

import ccxt

from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import Request, VenueConnections
from worker.venues.client.endpoint import Endpoint, implicit_name
from worker.venues.client.masking import SecretMask
from worker.venues.client.networks import switch
from worker.venues.limits.tables import User, VenueLimits
from worker.venues.port import errors
from worker.venues.port.response import Judge, VenueResponse, json_of

CONSTANT_CONFIG: Mapping[str, Any] = {"enableRateLimit": False}
"""Off: ccxt's own spacing of calls, which knows one instance only."""

_SILENT = logging.Logger("ccxt, which would log signed headers", logging.CRITICAL + 1)

NOT_SERVED_HERE = 451

_NAME_IN_PATH = re.compile(r"\{(\w+)\}")

_SIGNATURE = re.compile(r"signature=[^&\s\"'<]+", re.IGNORECASE)

_BY_CCXT_CLASS: tuple[tuple[type[ccxt.BaseError], type[errors.VenueError]], ...] = (
    (ccxt.AuthenticationError, errors.AccessDenied),
    (ccxt.NoChange, errors.AlreadySo),
    (ccxt.BadSymbol, errors.UnknownSymbol),
    (ccxt.NotSupported, errors.NotSupported),
    (ccxt.OperationRejected, errors.PreconditionFailed),
    (ccxt.InsufficientFunds, errors.PreconditionFailed),
    (ccxt.BadRequest, errors.ValueRefused),
    (ccxt.RateLimitExceeded, errors.Throttled),
    (ccxt.InvalidNonce, errors.ClockSkewed),
    (ccxt.OperationFailed, errors.Ambiguous),
)
"""The last resort, for codes that no table has. Order matters: the narrow classes stand first."""


class SigningExchange:
    """Mixed in before a ccxt exchange class: it signs, and sends nothing.

    `judge` knows the venue's codes, `metered` is its table of limits, `user` who signs, if anybody.
    """

    id: str
    apiKey: str  # noqa: N815 - ccxt's name
    secret: str
    password: str
    judge: Judge
    metered: VenueLimits
    connections: VenueConnections
    base_url: str | None = None
    network: Network = MAINNET
    user: User | None = None
    mask: SecretMask = SecretMask()

    logger = _SILENT

    def log(self, *_: object) -> None:
        """Nothing: where ccxt is set to be verbose, it prints signed headers."""

    def __del__(self) -> None:
        """Nothing: ccxt would ask here for a session to be closed that there never was."""

    async def request(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> NoReturn:
        """Refuse: a method of ccxt's that sends is called past the transport, and past every limit."""
        raise RuntimeError(f"{implicit_name(path, as_key(api), method)} is called past the transport")

    def signed(self, endpoint: Endpoint, params: Mapping[str, Any]) -> Request:
        """A request to be sent now, for its signature bears the time.

        Raises NotSupported where this network has no such endpoint, and AccessDenied for a key that can't sign.
        """
        try:
            request: Request = self.sign(endpoint.path, endpoint.api, endpoint.method, params)  # type: ignore[attr-defined]
        except ccxt.NotSupported:
            refused: errors.Refused = errors.NotSupported(f"{self.id} has no {endpoint.name} here")
        except (ccxt.AuthenticationError, TypeError, ValueError) as error:
            refused = errors.AccessDenied(
                f"the request can't be signed ({type(error).__name__}); check the account's key and secret"
            )
        else:
            headers = self.prepare_request_headers(request["headers"])  # type: ignore[attr-defined]
            return {**request, "headers": headers}
        raise refused  # out of the handler: the original may carry the secret

    def answered(self, request: Request, status: int, headers: Mapping[str, str], body: bytes) -> VenueResponse:
        """An answer, without any secret that it may echo."""
        path = without_query(request["url"]).path
        text = self.mask(body.decode("utf-8", "replace"))
        if "=" in text:  # JSON seldom has one, and to look for signatures takes ten times as long as to read it
            text = _SIGNATURE.sub("signature=***", text)
        text = text.strip()
        return VenueResponse(path, status, headers, text, json_of(text))

    def raise_for(self, answer: VenueResponse, request: Request, *, changes: bool = False) -> None:
        """Raise what an answer means, if it is no success. A code in no table refuses nothing that `changes` anything.

        Raises AccessDenied for HTTP 451, which no venue's table needs: the law keeps it from serving us (RFC 7725).
        """
        if answer.status == NOT_SERVED_HERE:
            raise errors.AccessDenied(
                f"{self.id} does not serve our location (HTTP 451): {_excerpt(answer)}",
                venue_code=native_code(answer.body) or str(NOT_SERVED_HERE),
                raw=answer.body,
            )
        if verdict := self.judge(answer):
            raise _settled(verdict) if not changes else verdict
        if answer.status >= 400:
            raise self._unlisted(answer) if changes else self._by_ccxt(answer, request)
        if answer.status >= 300:
            raise errors.Ambiguous(f"{self.id} answered {answer.path} with HTTP {answer.status}, and pointed elsewhere")
        if answer.body is None:
            raise errors.Ambiguous(f"{self.id} answered {answer.path} with HTTP {answer.status} and no JSON")

    def _unlisted(self, answer: VenueResponse) -> errors.Unlisted:
        """Neither code nor status stands in a table: it may have been carried out."""
        code = native_code(answer.body)
        named = f"the code {code}" if code else "an answer"
        return errors.Unlisted(
            f"{self.id} answered {answer.path} with HTTP {answer.status} and {named} that no table has: "
            f"{_excerpt(answer)}",
            venue_code=code,
            raw=answer.body,
        )

    def _by_ccxt(self, answer: VenueResponse, request: Request) -> errors.VenueError:
        message = f"{self.id} refused {answer.path} with HTTP {answer.status}: {_excerpt(answer)}"
        kind: type[errors.VenueError] = errors.Refused
        asked = (request["url"], request["method"], answer.headers, answer.text, answer.body)
        try:
            self.handle_errors(answer.status, "", *asked, request["headers"], request["body"])  # type: ignore[attr-defined]
        except ccxt.BaseError as error:
            kind = next((ours for theirs, ours in _BY_CCXT_CLASS if isinstance(error, theirs)), errors.Refused)
        return kind(message, venue_code=native_code(answer.body), raw=answer.body)

    @staticmethod
    def implode_params(path: str, params: Any) -> str:
        """A path with its parameters in it, percent-encoded: ids need not be ASCII (Gate's 币安人生_USDT).

        ccxt puts them in as they are, and the official SDKs sign what they have encoded.
        """
        return _NAME_IN_PATH.sub(
            lambda found: quote(str(params[name]), safe="") if (name := found[1]) in params else found[0], path
        )


def native_code(body: Any) -> str | None:
    """The code of an error where venues write one: Bybit's `retCode`, Gate's `label`, `code` elsewhere.

    >>> native_code({"code": -9999, "msg": "?"}), native_code({"retCode": 0}), native_code([])
    ('-9999', None, None)
    """
    if not isinstance(body, dict):
        return None
    told = (body.get(name) for name in ("retCode", "label", "code"))
    return next((str(code) for code in told if isinstance(code, str | int) and str(code) not in {"", "0"}), None)


def _settled(verdict: errors.VenueError) -> errors.VenueError:
    """What a verdict means for a request that only reads: an unknown code has refused it."""
    if not isinstance(verdict, errors.Unlisted):
        return verdict
    return errors.Refused(verdict.message, venue_code=verdict.venue_code, raw=verdict.raw, details=verdict.details)


def _excerpt(answer: VenueResponse) -> str:
    return answer.text[:200] if answer.body is not None else "no JSON in the answer"


def public_exchange(
    kind: type[Any],
    options: Mapping[str, Any],
    connections: VenueConnections,
    base_url: str | None,
    network: Network,
) -> Any:
    """An exchange without keys, of which those of the accounts are copies. The caller puts it on its `base_url`."""
    exchange = kind({**CONSTANT_CONFIG, "options": dict(options)})
    exchange.connections, exchange.base_url = connections, base_url
    switch(exchange, network)
    return exchange


def rebase(urls: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The same API paths on another host, such as a sandbox.

    >>> rebase({"fapiPrivate": "https://fapi.binance.com/fapi/v1"}, "http://127.0.0.1:8081")
    {'fapiPrivate': 'http://127.0.0.1:8081/fapi/v1'}
    """
    return {name: base_url.rstrip("/") + urlsplit(url).path for name, url in urls.items()}


def as_key(api: Any) -> Any:
    """What ccxt says of the part of an API that an endpoint belongs to, as a key."""
    return api if isinstance(api, str) else tuple(api)


def without_query(url: str) -> SplitResult:
    """The parts of a URL. With its query, which may be signed, each would be parsed anew."""
    return urlsplit(url.partition("?")[0])
