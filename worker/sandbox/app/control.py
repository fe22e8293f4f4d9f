"""The control endpoints under /sandbox, beside the venue's own: they order faults, show requests and change accounts.

POST   /sandbox/faults           plan a fault (`worker.sandbox.server.faults.Fault`); GET lists, DELETE cancels them
GET    /sandbox/requests         the requests received, oldest first; DELETE forgets them
POST   /sandbox/reset            seeded state, no faults, empty journal, right time, documented limits; keys stay
PUT    /sandbox/clock            {"offset_ms": …}: how far the venue's clock is ahead
PUT    /sandbox/limits           {family: weight per minute}, such as {"fapi": 1000000}
GET    /sandbox/accounts         all accounts with their keys; POST opens one and returns it
PATCH  /sandbox/accounts/{id}    change an account behind its owner's back
GET    /sandbox/streams          the open private streams, by account
POST   /sandbox/streams/faults   misbehave on streams (`worker.sandbox.server.streams.StreamFault`); DELETE cancels
"""

from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.messages.wire import encode
from worker.sandbox.app.frontend import Desk
from worker.sandbox.server.faults import Fault
from worker.sandbox.server.http import json_answer
from worker.sandbox.server.streams import StreamFault
from worker.sandbox.server.venue import ControlRefused

CONTROL = "/sandbox"

Object = TypeAdapter(dict[str, Any])
Limits = TypeAdapter(dict[str, Annotated[int, Field(ge=1)]])


class ClockSkew(BaseModel):
    """How far the venue's clock is ahead of the machine's, or behind it when negative."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset_ms: Milliseconds


def describe_account(account: Account) -> dict[str, Any]:
    """An account with its keys in the clear: they open nothing but the sandbox. What is ours alone is left out."""
    facts = account.model_dump(exclude_none=True, exclude={"guardrails", "auto_collect", "margin_thresholds"})
    return {name: fact.get_secret_value() if isinstance(fact, SecretStr) else fact for name, fact in facts.items()}


class ControlEndpoints:
    """The control endpoints of one venue."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes, without the prefix."""
        return [
            web.get("/faults", self.list_faults),
            web.post("/faults", self.plan_fault),
            web.delete("/faults", self.cancel_faults),
            web.get("/requests", self.list_requests),
            web.delete("/requests", self.forget_requests),
            web.post("/reset", self.reset),
            web.put("/clock", self.set_clock),
            web.put("/limits", self.set_limits),
            web.get("/accounts", self.list_accounts),
            web.post("/accounts", self.open_account),
            web.patch("/accounts/{id}", self.change_account),
            web.get("/streams", self.list_streams),
            web.post("/streams/faults", self.misbehave),
            web.delete("/streams/faults", self.behave),
        ]

    async def list_faults(self, _request: web.Request) -> web.Response:
        """GET faults."""
        return _json({"faults": [fault.model_dump() for fault in self._desk.faults.pending]})

    async def plan_fault(self, request: web.Request) -> web.Response:
        """POST faults."""
        self._desk.faults.add(Fault.model_validate_json(await request.read()))
        return _json({"planned": len(self._desk.faults.pending)}, 201)

    async def cancel_faults(self, _request: web.Request) -> web.Response:
        """DELETE faults."""
        self._desk.faults.clear()
        return web.Response(status=204)

    async def list_requests(self, _request: web.Request) -> web.Response:
        """GET requests."""
        return _json({"requests": [asdict(entry) for entry in self._desk.journal.entries]})

    async def forget_requests(self, _request: web.Request) -> web.Response:
        """DELETE requests."""
        self._desk.journal.clear()
        return web.Response(status=204)

    async def reset(self, _request: web.Request) -> web.Response:
        """POST reset."""
        self._desk.reset()
        return web.Response(status=204)

    async def set_clock(self, request: web.Request) -> web.Response:
        """PUT clock."""
        self._desk.venue.clock.offset = ClockSkew.model_validate_json(await request.read()).offset_ms
        return _json({"now": self._desk.venue.clock.now()})

    async def set_limits(self, request: web.Request) -> web.Response:
        """PUT limits."""
        limits = Limits.validate_json(await request.read())
        self._desk.venue.set_limits(limits)
        return _json(limits)

    async def list_accounts(self, request: web.Request) -> web.Response:
        """GET accounts."""
        return _json({"accounts": [describe_account(account) for account in self._accounts(request)]})

    async def open_account(self, request: web.Request) -> web.Response:
        """POST accounts."""
        account_id = self._desk.venue.open_account(Object.validate_json(await request.read()))
        opened = next(account for account in self._accounts(request) if account.id == account_id)
        return _json(describe_account(opened), 201)

    async def change_account(self, request: web.Request) -> web.Response:
        """PATCH accounts/{id}."""
        self._desk.change_account(request.match_info["id"], Object.validate_json(await request.read()))
        return web.Response(status=204)

    async def list_streams(self, _request: web.Request) -> web.Response:
        """GET streams."""
        links = self._desk.streams.links
        return _json({"streams": [{"account": link.account, "path": link.path} for link in links]})

    async def misbehave(self, request: web.Request) -> web.Response:
        """POST streams/faults."""
        met = self._desk.streams.order(StreamFault.model_validate_json(await request.read()))
        return _json({"connections": met}, 201)

    async def behave(self, _request: web.Request) -> web.Response:
        """DELETE streams/faults."""
        self._desk.streams.faults.clear()
        return web.Response(status=204)

    def _accounts(self, request: web.Request) -> tuple[Account, ...]:
        return self._desk.venue.accounts(str(request.url.origin()))


def _json(content: Any, status: int = 200) -> web.Response:
    return json_answer(content, status).response()


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except (ControlRefused, ValidationError) as refused:
        return web.Response(status=400, body=encode({"error": str(refused)}), content_type="application/json")
    return response


def control_application(desk: Desk) -> web.Application:
    """The control endpoints, to be mounted under `CONTROL`."""
    application = web.Application(middlewares=[_refusals])
    application.add_routes(ControlEndpoints(desk).routes())
    return application
