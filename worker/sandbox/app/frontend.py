"""Where requests to one stand-in venue arrive: each is noted, and answered or misbehaved at."""

import asyncio

from aiohttp import web

from worker.sandbox.server.faults import Fault, FaultPlan, FaultRequest
from worker.sandbox.server.http import HttpResponse, Received, receive
from worker.sandbox.server.journal import Journal, JournalEntry
from worker.sandbox.server.venue import StandIn


class Desk:
    """One venue with its journal and the faults that are planned for it."""

    def __init__(self, venue: StandIn) -> None:
        self.venue = venue
        self.faults = FaultPlan()
        self.journal = Journal()

    def reset(self) -> None:
        """Seed the venue again, cancel all faults, forget all requests."""
        self.venue.reset()
        self.faults.clear()
        self.journal.clear()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or misbehave as planned."""
        received = await receive(request)
        account = self.venue.account_of(received)
        asked = FaultRequest(received.method, received.path, account, self.venue.parameters_of(received))
        fault = self.faults.take(asked)
        entry = self._note(asked, fault)
        answer = self.venue.answer(received) if fault is None else await self._misbehave(fault, received)
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

    async def _misbehave(self, fault: Fault, received: Received) -> HttpResponse:
        carried_out = self.venue.answer(received) if fault.apply else None
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.fault == "delay":
            return carried_out or self.venue.answer(received)
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
