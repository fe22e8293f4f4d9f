"""`perps-dma tour`: every route of a running `up` on every venue, and the refusals a caller will meet.

It walks on accounts of its own, which are the sandbox's: it changes nothing that anybody else uses. It does not start
while something is frozen that it would meet, and lifts no freeze but its own.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx
from pydantic import ValidationError
from rich.text import Text

from schemas import HTTP_PREFIXES, OPERATIONS, Failure, Operation
from schemas.client.dma import PerpsDma
from schemas.replies import AccountType
from worker.accounts.venues import Capability
from worker.config.addresses import amqp_url, http_url
from worker.config.locations import jwt_secret, load_accounts
from worker.config.settings import Settings
from worker.config.tls import local_client_context
from worker.console.kit.display import console, table
from worker.console.seeded import TOUR, TOUR_PM_ACCOUNT, Seeded
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError
from worker.shim.auth.tokens import issue_token
from worker.venues.port.capabilities import DECLARED

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the tour, the statuses it may have, and what a person wants to see of the answer."""

    operation: str
    request: Facts
    tell: Callable[[Facts], str] = lambda data: ""
    statuses: tuple[int, ...] = (200,)
    role: str | None = "trader"

    @property
    def row(self) -> Operation:
        """The operation's row of the table."""
        return OPERATIONS[self.operation]


def _positions(data: Facts) -> str:
    return "; ".join(
        f"{row['symbol']} {row['side']} {row['contracts']} at {row['entry_price']}, mark {row['mark_price']}, "
        f"PnL {row['unrealized_pnl']} ({row['percentage']} %)"
        for row in data["positions"]
    )


def _entry(entry: Facts) -> str:
    return f"{entry['action']} {entry['subject']} by {entry['actor'] or 'somebody'}"


def _wallets(data: Facts) -> str:
    return ", ".join(f"{asset} {wallet['total_wallet_balance']}" for asset, wallet in data["assets"].items())


def _margin_mode(seeded: Seeded, mode: str, symbol: str, *statuses: int) -> Step:
    request = {"exchange_account_id": seeded.account, "symbol": symbol, "margin_mode": mode}
    return Step("set_margin_mode", request, lambda data: f"{symbol} is {data['margin_mode']}", statuses or (200,))


def _leverage(seeded: Seeded, leverage: Any, status: int = 200, role: str | None = "trader") -> Step:
    request = {"exchange_account_id": seeded.account, "symbol": seeded.held, "leverage": leverage}
    return Step("set_leverage", request, lambda data: f"{data['symbol']} at {data['leverage']}x", (status,), role)


def _asset(asset: str, status: int = 200) -> Step:
    request = {"exchange_account_id": TOUR_PM_ACCOUNT, "asset": asset}
    return Step("pm_asset_collect", request, lambda data: f"{data['asset']}: {data['response']}", (status,))


def _history(seeded: Seeded, operation: str, kind: str, **more: Any) -> Step:
    request = {"exchange_account_id": seeded.account, "limit": 10, **more}
    return Step(
        operation,
        request,
        lambda data: f"{data['count']} records, the newest {data[kind][-1]['amount']} {data[kind][-1]['code']}",
    )


def _can_switch(seeded: Seeded) -> bool:
    return Capability.MARGIN_MODE in DECLARED[seeded.exchange, AccountType.STANDARD]


def venue_steps(seeded: Seeded) -> tuple[Step, ...]:
    """The operations of a venue, each with the answer that its declared capabilities promise."""
    account = {"exchange_account_id": seeded.account}
    # Where one switch moves the whole account, an open position in another symbol stands in its way.
    switches = (200, 409) if _can_switch(seeded) else (400,)
    return (
        Step("get_positions", account, _positions),
        Step(
            "get_leverage",
            {**account, "symbol": seeded.held},
            lambda data: f"{data['leverage']}x {data['margin_mode']}, {data['position_side']} {data['position_size']}",
        ),
        _leverage(seeded, 20),
        _leverage(seeded, 10),
        _margin_mode(seeded, "isolated", seeded.flat, *switches),
        _margin_mode(seeded, "cross", seeded.flat, *switches),
        _history(seeded, "get_funding_history", "payments", symbol=seeded.held),
        _history(seeded, "get_realized_pnl", "entries"),
    )


PM_STEPS: tuple[Step, ...] = (
    Step("pm_get_balance", {"exchange_account_id": TOUR_PM_ACCOUNT}, _wallets),
    Step(
        "pm_get_account",
        {"exchange_account_id": TOUR_PM_ACCOUNT},
        lambda data: f"margin balance {data['papi_um_account']['totalMarginBalance']}",
    ),
    _asset("USDT"),
    Step("pm_auto_collect", {"exchange_account_id": TOUR_PM_ACCOUNT}, lambda data: str(data["response"])),
)

BINANCE = TOUR["binance"]
NOBODY = replace(BINANCE, account="nobody")

REFUSALS: tuple[Step, ...] = (
    _margin_mode(BINANCE, "isolated", BINANCE.held, 409),
    _leverage(BINANCE, 0, status=400),
    _leverage(BINANCE, 10.5, status=400),
    _leverage(BINANCE, 500, status=400),
    _asset("BNB", status=400),
    Step("pm_get_balance", {"exchange_account_id": BINANCE.account}, statuses=(400,)),
    _leverage(NOBODY, 10, status=404),
    _leverage(BINANCE, 10, status=401, role=None),
    _leverage(BINANCE, 10, status=403, role="viewer"),
)


FROZEN = {"exchange_account_id": BINANCE.account}
ACCOUNTS = frozenset({TOUR_PM_ACCOUNT, *(seeded.account for seeded in TOUR.values())})
SCOPES = {"all", *(f"exchange:{exchange}" for exchange in TOUR), *(f"account:{account}" for account in ACCOUNTS)}
"""Freezes that the tour would meet."""

FREEZES = Step("get_freezes", {}, lambda data: f"{data['count']} in force", role="admin")
UNFREEZE = Step("unfreeze", FROZEN, lambda data: f"{data['scope']} is free", role="admin")

SERVICE: tuple[Step, ...] = (
    Step("get_status", {}, lambda data: ", ".join(f"{row['exchange']} {row['health']}" for row in data["venues"])),
    Step("get_command", {"command_id": "nobody-knows-this"}, statuses=(404,)),
    Step("get_doubts", {}, lambda data: f"{data['count']} in doubt"),
    Step("freeze", {**FROZEN, "reason": "tour"}, statuses=(403,)),
)
WHILE_FROZEN: tuple[Step, ...] = (
    FREEZES,
    _leverage(BINANCE, 10, status=423),
    Step("get_positions", FROZEN, lambda data: f"{data['count']} open, for reads go on"),
)
AFTERWARDS: tuple[Step, ...] = (
    _leverage(BINANCE, 10),
    Step(
        "get_audit",
        {"limit": 10},
        lambda data: f"the newest of {data['count']}: {_entry(data['entries'][0])}",
        role="admin",
    ),
    Step("get_audit", {}, statuses=(403,)),
)


def freezing(reason: str) -> Step:
    """The tour's own freeze, known by its reason."""
    request = {**FROZEN, "reason": reason}
    return Step("freeze", request, lambda data: f"{data['scope']} is frozen", role="admin")


@dataclass(slots=True)
class Visit:
    """What came of a step. `fault` is what was not as documented, if anything."""

    step: Step
    status: int
    milliseconds: float
    told: str
    fault: str | None
    data: Facts = field(default_factory=dict)


def _check(step: Step, response: httpx.Response) -> tuple[str, str | None]:
    """What to tell of an answer, and what is wrong with it."""
    body = response.json()
    if response.status_code not in step.statuses or body.get("statusCode") != response.status_code:
        return str(body.get("message")), f"status {response.status_code}, expected {step.statuses}"
    try:
        if response.status_code >= 400:
            return Failure.model_validate(body).message, None
        step.row.data.model_validate(data := body["data"])
    except (ValidationError, KeyError) as error:
        return str(body), f"not of the documented shape: {error}"
    extra = body.keys() ^ {"isError", "message", "statusCode", "data"}
    return step.tell(data), f"keys {sorted(extra)}" if extra or body["isError"] else None


class Tour:
    """A walk over HTTP, with tokens of its own."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._secret = jwt_secret(settings)

    async def visit(self, step: Step, prefix: str) -> Visit:
        """Take one step."""
        parameters = {name: value for name, value in step.request.items() if name not in step.row.path_names}
        started = time.perf_counter()
        response = await self._client.request(
            step.row.method,
            prefix + step.row.path.format(**step.request),
            headers=self._headers(step.role),
            params=None if step.row.has_body else parameters,
            json=parameters if step.row.has_body else None,
        )
        milliseconds = (time.perf_counter() - started) * 1000
        told, fault = _check(step, response)
        return Visit(step, response.status_code, milliseconds, told, fault, response.json().get("data") or {})

    async def require_free(self) -> None:
        """Raises ConfigurationError while something is frozen that the tour would meet."""
        look = await self.visit(FREEZES, HTTP_PREFIXES[0])
        if look.fault is not None:
            raise ConfigurationError(f"what is frozen can't be read, and so the tour does not begin: {look.told}")
        if frozen := sorted(SCOPES.intersection(row["scope"] for row in look.data["freezes"])):
            raise ConfigurationError(
                f"frozen: {', '.join(frozen)}. The tour lifts no freeze of others, and has changed nothing"
            )

    async def frozen(self, steps: Sequence[Step], prefix: str) -> list[Visit]:
        """Take steps under a freeze of our own, and lift it whatever happens meanwhile."""
        reason = f"tour {uuid4()}"
        visits = [await self.visit(freezing(reason), prefix)]
        if visits[0].fault is None and not visits[0].data["changed"]:
            visits[0].fault = "somebody else has frozen it meanwhile"
        if visits[0].fault is not None:
            return visits
        try:
            visits.extend([await self.visit(step, prefix) for step in steps])
        finally:
            visits.append(await self._lift(reason, prefix))
        return visits

    async def _lift(self, reason: str, prefix: str) -> Visit:
        look = await self.visit(FREEZES, prefix)
        if not any(row["reason"] == reason for row in look.data.get("freezes", ())):
            look.fault = look.fault or "the freeze in force is not the tour's any more, and stays"
            return look
        return await self.visit(UNFREEZE, prefix)

    def _headers(self, role: str | None) -> dict[str, str]:
        if role is None:
            return {}
        token = issue_token(self._secret, role=role, subject="tour", lifetime_s=60, now=now())
        return {"Authorization": f"Bearer {token}"}


async def heard_between(dma: PerpsDma, start: int, end: int) -> Counter[str]:
    """How many events of each kind stand between two places of the stream."""
    kinds = Counter[str]()
    events = dma.events(start=start)
    while (events.next_offset or start) < end:
        event = await anext(events)
        kinds[getattr(event, "routing_key", event.type).partition(".")[0]] += 1
    await events.aclose()
    return kinds


def _show(title: str, visits: list[Visit]) -> None:
    rows = (
        (
            visit.step.operation,
            visit.status,
            f"{visit.milliseconds:.1f}",
            visit.told,
            Text(visit.fault or "as documented", style="red" if visit.fault else "green"),
        )
        for visit in visits
    )
    console.print(Text(title, style="bold"))
    console.print(table(["operation", "status", "ms", "answer", ""], rows, folding=["answer", ""]))
    console.print()


def stages() -> Iterator[tuple[str, str, tuple[Step, ...]]]:
    """Title, prefix and steps of each part but the last, which is about the service itself."""
    first, second = HTTP_PREFIXES
    documented = (*venue_steps(BINANCE), *PM_STEPS)
    yield f"binance, all operations under {first}", first, documented
    yield f"binance, the same under {second}", second, documented
    for seeded in TOUR.values():
        if seeded is not BINANCE:
            yield seeded.exchange, first, venue_steps(seeded)
    yield "what is refused, and how", first, REFUSALS


def _client(url: str, settings: Settings) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=30, verify=local_client_context(settings))


def require_sandbox(settings: Settings) -> None:
    """Whether the tour's accounts are the sandbox's, which alone may be played with.

    Raises ConfigurationError, RegistryError.
    """
    sandbox = load_accounts(settings.model_copy(update={"accounts": None}))
    if strange := ACCOUNTS - sandbox.keys():
        raise ConfigurationError(
            f"the tour walks on accounts of the sandbox, which has no {', '.join(sorted(strange))}"
        )


async def _walk(walker: Tour) -> AsyncIterator[tuple[str, list[Visit]]]:
    first, _ = HTTP_PREFIXES
    for title, prefix, steps in stages():
        yield title, [await walker.visit(step, prefix) for step in steps]
    before = [await walker.visit(step, first) for step in SERVICE]
    frozen = await walker.frozen(WHILE_FROZEN, first)
    yield "the service itself", [*before, *frozen, *[await walker.visit(step, first) for step in AFTERWARDS]]


async def tour(settings: Settings) -> bool:
    """Walk all routes under both prefixes, all venues, then the refusals. True when everything was as documented.

    Raises ConfigurationError where it must not walk.
    """
    url, good = http_url(settings), True
    require_sandbox(settings)
    async with _client(url, settings) as client, PerpsDma(amqp_url(settings), name="perps-dma tour") as dma:
        walker = Tour(client, settings)
        await walker.require_free()
        start = (await dma.get_snapshots()).data.next_offset
        async for title, visits in _walk(walker):
            _show(title, visits)
            good = good and not any(visit.fault for visit in visits)
        kinds = await heard_between(dma, start, (await dma.get_snapshots()).data.next_offset)
    console.print(f"events meanwhile: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}")
    console.print(Text("all as documented", style="green") if good else Text("NOT all as documented", style="red"))
    return good
