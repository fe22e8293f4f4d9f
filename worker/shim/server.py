"""The shim as a process: uvicorn on the settings' address, over a connection to the bus."""

import socket
import ssl
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp

from worker.background import in_background
from worker.bus.rpc import connect_rpc
from worker.locations import amqp_url, jwt_secret, require_one_kind_of_keys
from worker.monitoring.server import monitored
from worker.monitoring.traces import recorded
from worker.settings import Settings
from worker.shim.app import create_app
from worker.shim.auth import Rules, Verifier
from worker.shim.bounds import Bounds
from worker.shim.certificates import Renewal
from worker.shim.claims import ROLE_CLAIMS, ClaimPaths
from worker.shim.denials import Denials
from worker.shim.gate import Gate
from worker.shim.health import readiness_of
from worker.shim.key_set import KeySet
from worker.shim.keys import ALGORITHMS, Keys, PublicKeyFile, SharedSecret, require_known_algorithms
from worker.shim.protocol import bounded_protocol
from worker.shim.rates import RateLimit
from worker.shim.states import ShimStates
from worker.tls import server_context


def keys_of(settings: Settings) -> Keys:
    """What tokens are checked with: exactly one of secret, public keys and key set. Raises NotReady."""
    require_one_kind_of_keys(settings)
    narrowed = require_known_algorithms(settings.jwt_algorithms or ALGORITHMS)
    if settings.jwt_jwks_url is not None:
        return KeySet(settings.jwt_jwks_url, settings.jwt_jwks_refresh_s, narrowed)
    if settings.jwt_public_key is not None:
        return PublicKeyFile(settings.jwt_public_key, narrowed)
    return SharedSecret(jwt_secret(settings), narrowed)


def rules_of(settings: Settings) -> Rules:
    """What tokens must say."""
    roles = (settings.jwt_role_claim,) if settings.jwt_role_claim else ROLE_CLAIMS
    claims = ClaimPaths(roles=roles, accounts=settings.jwt_accounts_claim)
    return Rules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_s, claims)


async def run_shim(settings: Settings) -> None:
    """Serve the documented HTTP API until told to stop."""
    keys, certificate = keys_of(settings), server_context(settings)
    async with (
        recorded(settings, "shim") as traces,
        connect_rpc(amqp_url(settings), "perps-dma shim", settings.shards) as caller,
    ):
        denials = Denials(caller)

        async def at_end() -> None:
            await denials.close()
            await traces.close()

        work = [denials.run()]
        if isinstance(keys, KeySet):
            work.append(keys.run())
        if certificate is not None:
            work.append(Renewal(certificate, settings).run())
        gate = _gate(settings, keys, denials)
        config = uvicorn_config(create_app(caller, gate, _bounds(settings)), settings, certificate)
        async with in_background(*work), monitored(settings, ShimStates(caller, readiness_of(caller, gate))):
            await _Server(config, at_end).serve()


class _Server(uvicorn.Server):
    """uvicorn sends itself the signal again that it was stopped with, so that nothing can be done after it."""

    def __init__(self, config: uvicorn.Config, at_end: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, then do the last thing."""
        await super().shutdown(sockets)
        await self._at_end()


def _gate(settings: Settings, keys: Keys, denials: Denials) -> Gate:
    return Gate(Verifier(keys, rules_of(settings)), denials, RateLimit(settings.rate) if settings.rate else None)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(settings.timeout_ms, settings.http_receive_s, settings.http_requests)


def uvicorn_config(app: ASGIApp, settings: Settings, certificate: ssl.SSLContext | None) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=bounded_protocol(settings.http_receive_s),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        # An address that a client names itself is worth nothing, unless a proxy of ours names it.
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        ssl_context_factory=None if certificate is None else lambda *_: certificate,
        timeout_graceful_shutdown=settings.grace_ms // 1000,
    )
