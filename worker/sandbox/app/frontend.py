"""Where requests to one stand-in venue arrive: each is noted, and answered or misbehaved at."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from worker.sandbox.server.faults import Fault, FaultPlan, FaultRequest
from worker.sandbox.server.http import HttpResponse, Received, receive
from worker.sandbox.server.journal import Journal, JournalEntry
from worker.sandbox.server.streams import StreamHub
from worker.sandbox.server.venue import StandIn


class Desk:
    """One venue with its journal and the faults that are planned for it."""

    def __init__(self, venue: StandIn) -> None:
        self.venue = venue
        self.faults = FaultPlan()
        self.journal = Journal()
        self.streams = StreamHub(venue, venue.clock.now)

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account behind its owner's back; its streams tell. Raises ControlRefused."""
        with self.streams.changing(account_id):
            self.venue.change_account(account_id, content)

    def reset(self) -> None:
        """Seed the venue again, cancel all faults, forget all requests, end all streams."""
        self.venue.reset()
        self.streams.reset()
        self.faults.clear()
        self.journal.clear()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or misbehave as planned; one that asks for a WebSocket is a stream's."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.streams.serve(request)
        received = await receive(request)
        account = self.venue.account_of(received)
        asked = FaultRequest(received.method, received.path, account, self.venue.parameters_of(received))
        fault = self.faults.take(asked)
        entry = self._note(asked, fault)
        answer = self._answer(received) if fault is None else await self._misbehave(fault, received)
        if fault is not None and fault.fault == "reset":
            return _cut(request)
        if fault is not None and fault.fault == "reset_mid_body":
            return await _cut_half_way(request, answer)
        entry.status = answer.status
        return answer.response()

    def _note(self, asked: FaultRequest, fault: Fault | None) -> JournalEntry:
        return self.journal.add(
            JournalEntry(
                time=self.venue.clock.now(),
                method=asked.method,
                path=asked.path,
                account=asked.account,
                params=asked.params,
                fault=None if fault is None else fault.fault,
            )
        )

    def _answer(self, received: Received) -> HttpResponse:
        account = self.venue.account_of(received)
        if account is None:
            return self.venue.answer(received)
        about = self.streams.reading if self.venue.is_read(received) else self.streams.changing
        with about(account):
            return self.venue.answer(received)

    async def _misbehave(self, fault: Fault, received: Received) -> HttpResponse:
        carried_out = self._answer(received) if fault.apply else None
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.fault == "delay":
            return carried_out or self._answer(received)
        if fault.fault == "reset_mid_body" and carried_out is not None:
            return carried_out
        return fault.answer()


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    # The server needs something to return; with its connection gone it reaches nobody.
    return web.Response()


async def _cut_half_way(request: web.Request, answer: HttpResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
