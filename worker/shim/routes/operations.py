"""The routes of the operations: authenticate, parse, ask a worker, pass its answer on untouched."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schemas import ErrorCode, Failure, Operation, Outcome, Success, failure
from schemas.base import Milliseconds
from schemas.book import Book, limited
from schemas.control import unknown_command
from schemas.replies import Accepted
from worker.bus.rpc import About, BrokerAway, BusError, NoAnswer, NoWorker, RightsMissing, RpcReply
from worker.messages.wire import encode
from worker.runtime.clock import now
from worker.shim.auth.access import AccessControl, require_account
from worker.shim.auth.claims import Actor
from worker.shim.auth.slots import Places
from worker.shim.auth.tokens import Denied
from worker.shim.http.limits import Bounds
from worker.shim.kit.caller import Caller
from worker.shim.kit.envelope import JSON, HttpRefusal, envelope_response, method_not_allowed
from worker.shim.routes.parsing import request_body
from worker.shim.routes.preferences import Preferences, audit_reason, command_id, preferences
from worker.telemetry import tracing

_WATCH = "the result event with this command id will tell what became of it"
_MAYBE = "it may have taken the command all the same, and then the result event with this command id will tell"


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way to a worker."""

    operation: Operation
    body: bytes
    account: str | None
    command_id: str
    actor: Actor
    preferences: Preferences
    timeout_ms: Milliseconds
    reason: str | None


def bus_failure(error: BusError, call: Call) -> Failure:
    """What a caller is told when no worker answered, and what to do then."""
    operation, details = call.operation, {"command_id": call.command_id}
    match error:
        case NoWorker():
            message = f"no worker takes {operation.name} at the moment; nothing was sent"
            return failure(ErrorCode.NO_WORKER, message, details=details)
        case NoAnswer():
            hint = _WATCH if operation.is_command else "ask again"
            message = f"no answer to {operation.name} within {call.timeout_ms} ms; {hint}"
            return failure(ErrorCode.TIMEOUT, message, details=details, retryable=not operation.is_command)
        case BrokerAway():
            why = "denies the shim what it has to know" if isinstance(error, RightsMissing) else "can't be reached"
            message = f"the broker {why}; nothing was sent"
            return failure(ErrorCode.BROKER_UNAVAILABLE, message, details=details)
        case _:
            message = f"the broker went away meanwhile; {_MAYBE if operation.is_command else 'ask again'}"
            code = ErrorCode.BROKER_UNAVAILABLE
            return failure(code, message, details=details, retryable=not operation.is_command)


class OperationsEndpoint:
    """One path of the API, with an operation for each method it answers. An ASGI application."""

    def __init__(
        self, operations: Mapping[str, Operation], caller: Caller, gate: AccessControl, bounds: Bounds, places: Places
    ) -> None:
        self._operations = operations
        self._caller = caller
        self._gate = gate
        self._bounds = bounds
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            operation = self._operation(request)
        except HttpRefusal as refusal:
            await refusal.response()(scope, receive, send)
            return
        try:
            actor = await self._gate.admit(request, operation.roles)
            with self._places.taken(actor, operation, scope):
                response = await self._ask(await self._understand(operation, actor, request))
        except HttpRefusal as refusal:
            response = self._gate.refused(refusal, request, operation.name)
        await response(scope, receive, send)

    def _operation(self, request: Request) -> Operation:
        operation = self._operations.get(request.method)
        if operation is None:
            raise method_not_allowed(request.method, request.url.path, ", ".join(self._operations))
        return operation

    async def _understand(self, operation: Operation, actor: Actor, request: Request) -> Call:
        understood = await request_body(operation, request, self._bounds.receive_s)
        require_account(actor, operation, understood.request)
        preferred = preferences(request.headers, is_command=operation.is_command)
        timeout_ms = preferred.timeout_ms(self._bounds.timeout_ms)
        account = getattr(understood.request, "exchange_account_id", None)
        named, why = command_id(request.headers), audit_reason(request.headers) if operation.is_command else None
        return Call(operation, understood.body, account, named, actor, preferred, timeout_ms, why)

    async def _ask(self, call: Call) -> Response:
        headers = {"Command-Id": call.command_id, **call.preferences.applied}
        structlog.contextvars.bind_contextvars(
            operation=call.operation.name, command_id=call.command_id, account=call.account
        )
        tracing.tell(command_id=call.command_id, operation=call.operation.name)
        try:
            if call.preferences.respond_async:
                return await self._post(call, headers)
            answer = await self._caller.call(call.operation, call.body, **_about(call))
        except BusError as error:
            return envelope_response(bus_failure(error, call), headers)
        if answer.exchange:
            structlog.contextvars.bind_contextvars(venue=answer.exchange)
        _require_answer(call, answer, headers)
        return Response(_visible(call, answer), answer.status, {**answer.headers, **headers}, JSON)

    async def _post(self, call: Call, headers: Mapping[str, str]) -> Response:
        await self._caller.post(call.operation, call.body, **_about(call))
        envelope = Success(
            message=f"{call.operation.name} was taken; its result event will tell what became of it",
            statusCode=202,
            data=Accepted(command_id=call.command_id),
        )
        return Response(encode(envelope), 202, headers, JSON)


def _about(call: Call) -> About:
    return About(
        command_id=call.command_id,
        deadline=_deadline(call),
        actor=call.actor.subject,
        reason=call.reason,
        guardrails=call.actor.guardrails,
    )


def _require_answer(call: Call, answer: RpcReply, headers: Mapping[str, str]) -> None:
    """Whether a token may read an answer that names the account only now, as that of a command's id.

    Raises Denied, which tells of a command on another account what a worker tells of none.
    """
    account = "exchange_account_id"
    names_it = account in call.operation.data.model_fields and account not in call.operation.request.model_fields
    if call.actor.accounts is None or not names_it or answer.status != 200:
        return
    data = orjson.loads(answer.body)["data"]
    if not call.actor.may_name(data[account]):
        told = {"Command-Id": call.command_id, "Outcome": Outcome.REJECTED, **headers}
        raise Denied("account", unknown_command(data["command_id"]), told, actor=call.actor, account=data[account])


def _visible(call: Call, answer: RpcReply) -> bytes:
    """The body of an answer; of a list about accounts, what a token may read that is limited to some of them."""
    listed = call.operation.rows_by_account
    if not listed or call.actor.accounts is None or answer.status != 200:
        return answer.body
    envelope = orjson.loads(answer.body)
    data = envelope["data"]
    if call.operation.data is Book:
        told = Book.model_validate_json(orjson.dumps(data))
        return encode(Success(message=envelope["message"], data=limited(told, call.actor.may_name)))
    data[listed] = [row for row in data.get(listed, ()) if call.actor.may_name(row["exchange_account_id"])]
    if "count" in data:
        data["count"] = len(data[listed])
    return orjson.dumps(envelope)


def _deadline(call: Call) -> Milliseconds:
    return now() + call.timeout_ms
