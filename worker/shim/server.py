"""The shim as a process: uvicorn on the settings' address, over a connection to the bus."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from worker.bus.rpc import connect_rpc
from worker.config.addresses import amqp_url
from worker.config.locations import jwt_secret, require_one_kind_of_keys
from worker.config.settings import Settings
from worker.config.tls import server_context
from worker.monitoring.server import monitored
from worker.monitoring.traces import recorded
from worker.runtime.background import in_background
from worker.runtime.collector import collect_seldom, made_to_stay
from worker.shim.app import create_app
from worker.shim.auth.access import AccessControl
from worker.shim.auth.claims import ROLE_CLAIMS, ClaimPaths
from worker.shim.auth.denials import Denials
from worker.shim.auth.key_set import KeySet
from worker.shim.auth.keys import ALGORITHMS, Keys, PublicKeyFile, SharedSecret, require_known_algorithms
from worker.shim.auth.rate_limit import RateLimit
from worker.shim.auth.tokens import TokenRules, Verifier
from worker.shim.http.certificates import Renewal
from worker.shim.http.connections import ConnectionLimits, Connections, connection_limits
from worker.shim.http.limits import Bounds
from worker.shim.http.listener import Listener, listening_sockets
from worker.shim.http.protocol import bounded_protocol, protocol_of
from worker.shim.routes.health import readiness_of
from worker.shim.routes.metrics import ShimStates


def keys_of(settings: Settings) -> Keys:
    """What tokens are checked with: exactly one of secret, public keys and key set. Raises NotReady."""
    require_one_kind_of_keys(settings)
    narrowed = require_known_algorithms(settings.jwt_algorithms or ALGORITHMS)
    if settings.jwt_jwks_url is not None:
        return KeySet(settings.jwt_jwks_url, settings.jwt_jwks_refresh_s, narrowed)
    if settings.jwt_public_key is not None:
        return PublicKeyFile(settings.jwt_public_key, narrowed)
    return SharedSecret(jwt_secret(settings), narrowed)


def rules_of(settings: Settings) -> TokenRules:
    """What tokens must say."""
    roles = (settings.jwt_role_claim,) if settings.jwt_role_claim else ROLE_CLAIMS
    claims = ClaimPaths(roles, settings.jwt_accounts_claim, settings.jwt_guardrails_claim)
    return TokenRules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_s, claims)


async def run_shim(settings: Settings) -> None:
    """Serve the documented HTTP API until told to stop."""
    collect_seldom()
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
        gate, connections = _gate(settings, keys, denials), Connections(connection_limits(settings))
        bounds = _bounds(settings, connections.limits)
        config = uvicorn_config(create_app(caller, gate, bounds, amqp_url(settings)), settings, certificate)
        states = ShimStates(caller, readiness_of(caller, gate), connections)
        with made_to_stay():
            config.load()
        async with in_background(*work), monitored(settings, states):
            await ShimServer(config, connections, at_end).serve()


async def _nothing() -> None:
    """There is nothing left to do."""


class ShimServer(uvicorn.Server):
    """uvicorn, with connections that are counted.

    It sends itself the signal again that it was stopped with, so that nothing can be done after it but `at_end`.
    """

    def __init__(
        self, config: uvicorn.Config, connections: Connections, at_end: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._at_end = at_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, on sockets of our own unless some are given. Raises NotReady."""
        config = self.config
        listening = sockets or listening_sockets(config.host, config.port, "PERPS_DMA_PORT")
        listener = Listener(listening, self._connections, partial(protocol_of, config, self.server_state), config.ssl)
        listener.start()
        self.servers = [listener]  # type: ignore[list-item]  # all that is asked of it: to close
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, then do the last thing."""
        await super().shutdown(sockets)
        await self._at_end()


def _gate(settings: Settings, keys: Keys, denials: Denials) -> AccessControl:
    return AccessControl(
        Verifier(keys, rules_of(settings)), denials, RateLimit(settings.rate) if settings.rate else None
    )


def _bounds(settings: Settings, limits: ConnectionLimits) -> Bounds:
    """What is granted; not more requests at once than there can be connections."""
    at_once = min(settings.http_requests, limits.most)
    return Bounds(
        settings.timeout_ms,
        settings.http_receive_s,
        at_once,
        settings.http_requests_of_subject,
        readers=settings.http_readers,
    )


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
