"""Carrying out a change until it is confirmed: by the venue's echo, or by reading the setting back.

send ─▶ echo shows it ──────────────────────────────▶ applied (echo)
     ─▶ "no need to change" ────────────────────────▶ unchanged, or applied by an earlier attempt of ours
     ─▶ refused for a state of the account, by the venue
             └▶ read back ─▶ shows it ──────────────▶ unchanged, or applied by an earlier attempt of ours
                          ─▶ anything else ─────────▶ the refusal
     ─▶ refused ─────────────────────────────────────▶ the refusal
     ─▶ nothing left this machine ─▶ wait, send again, until the deadline
     ─▶ our limiter has no room in time ─────────────▶ that; what was sent before stays in doubt
     ─▶ no word, 5xx, nonsense, or an echo that shows nothing
             └▶ read back ─▶ shows it ──────────────▶ applied (read_back)
                          ─▶ shows the old value ───▶ send again, a few times; what is sent once: unknown
                          ─▶ not to be had ──────────▶ unknown

A change that another worker may have sent before it ended begins with the read-back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import NoReturn

import structlog

from schemas import Outcome
from schemas.events import ConfirmedBy
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired, Frozen, GuardrailBroken, NotConfirmed, NotInForce
from worker.execution.retries import CHANGE
from worker.handlers.plan import Applied, CommandPlan, Confirmed
from worker.telemetry.stages import STAGES, Stage
from worker.venues.port.adapter import Echo
from worker.venues.port.errors import AlreadySo, Ambiguous, LimitReached, NotSent, PreconditionFailed, VenueError

log = structlog.get_logger(__name__)

HINDERED = (Expired, Frozen, GuardrailBroken, LimitReached)
"""Why we ourselves send no more; trying again is no remedy."""


async def send_until_confirmed(plan: CommandPlan, calls: VenueCalls) -> Applied:
    """Check a change, and send it until it is confirmed.

    Raises a Refused of the venue, Expired when it never left before the deadline, Frozen, GuardrailBroken, or
    NotConfirmed.
    """
    if plan.check is not None and not calls.interrupted:  # what was sent already needs none
        await calls.read(plan.check)
    doubt: NotConfirmed | None = None
    failures = 0
    attempt = _resume if calls.interrupted else _attempt
    while True:
        try:
            return plan.present(await attempt(plan, calls))
        except AlreadySo as so:
            outcome = _by_whom(doubt)
            return plan.present(Confirmed(outcome, ConfirmedBy.ECHO, so.scope, so.raw, so.note, so.venue_code))
        except PreconditionFailed as refusal:
            return plan.present(await _refuted(plan, calls, refusal, doubt))
        except (NotSent, NotConfirmed, *HINDERED) as error:
            failures += 1
            doubt = error if isinstance(error, NotConfirmed) else doubt
            wait = None if isinstance(error, HINDERED) else CHANGE.wait(error, failures, calls.remaining())
            if wait is None:
                _give_up(error, doubt)
        finally:
            calls.release()
        await asyncio.sleep(wait / 1000)
        attempt = _attempt


def _by_whom(doubt: NotConfirmed | None) -> Outcome:
    """What it means that the setting is in force though this attempt did not bring it about.

    An attempt of ours that is in doubt has done it: a read-back that showed the old value may have come too early, for
    a venue's positions may lag behind its settings (Bybit documents that).
    """
    return Outcome.UNCHANGED if doubt is None else Outcome.APPLIED


async def _refuted(
    plan: CommandPlan, calls: VenueCalls, refusal: PreconditionFailed, doubt: NotConfirmed | None
) -> Confirmed:
    """A refusal that what is in force refutes. Raises the refusal itself where nothing does.

    Binance answers -4067, "cancel all open orders", for a mode that is set already. What we refuse ourselves, before
    anything is sent, was looked at just now.
    """
    if plan.read_back is None or plan.once or refusal.venue_code is None:
        raise refusal
    began = perf_counter()
    try:
        setting = await calls.read(plan.read_back)
    except (VenueError, Expired):
        raise refusal from None
    finally:
        STAGES.get().intervals.append((Stage.READ_BACK, began, perf_counter()))
    if not plan.shown(setting):
        raise refusal
    return Confirmed(_by_whom(doubt), ConfirmedBy.READ_BACK, setting.scope, setting.raw, venue_code=refusal.venue_code)


def _give_up(
    error: NotSent | NotConfirmed | Expired | Frozen | GuardrailBroken | LimitReached, doubt: NotConfirmed | None
) -> NoReturn:
    """What was sent once stays in doubt, whatever became of later attempts; only what never left expires."""
    if doubt is not None:
        raise doubt
    if isinstance(error, HINDERED):
        raise error
    raise Expired(f"{error.message}; nothing was sent before the deadline") from error


async def _resume(plan: CommandPlan, calls: VenueCalls) -> Confirmed:
    return await _read_back(plan, calls, Ambiguous("the worker that carried it out ended before it could tell"))


async def _attempt(plan: CommandPlan, calls: VenueCalls) -> Confirmed:
    if plan.guard is not None:
        await plan.guard()
    try:
        async with calls.change(read_back=plan.read_back is not None) as door:
            echo = await plan.send(door)
    except Ambiguous as doubt:
        return await _read_back(plan, calls, doubt)
    if plan.echoed(echo):
        if plan.look_after is not None:
            await _look(plan.look_after, calls)
        return Confirmed(Outcome.APPLIED, ConfirmedBy.ECHO, echo.scope, echo.raw, echo.note)
    return await _read_back(plan, calls, Ambiguous("the answer does not show the setting", raw=echo.raw), echo)


async def _look(look_after: Callable[[], Awaitable[None]], calls: VenueCalls) -> None:
    """Read what there is to tell of a change that is in force, as far as it can be read in time."""
    began = perf_counter()
    try:
        await calls.read(look_after)
    except (VenueError, Expired) as error:
        log.info("change_not_looked_after", reason=str(error))
    finally:
        STAGES.get().intervals.append((Stage.READ_BACK, began, perf_counter()))


async def _read_back(plan: CommandPlan, calls: VenueCalls, doubt: Ambiguous, echo: Echo | None = None) -> Confirmed:
    if plan.read_back is None:
        raise NotConfirmed(doubt.message, venue_code=doubt.venue_code, raw=doubt.raw) from doubt
    began = perf_counter()
    try:
        setting = await (calls.query if calls.interrupted else calls.read)(plan.read_back)
    except (VenueError, Expired) as error:
        raise NotConfirmed(
            f"{doubt.message}; and reading it back failed: {error}", venue_code=doubt.venue_code, raw=doubt.raw
        ) from error
    finally:
        STAGES.get().intervals.append((Stage.READ_BACK, began, perf_counter()))
    if plan.shown(setting):
        if echo is None:
            raw = doubt.raw if plan.once else setting.raw
            return Confirmed(Outcome.APPLIED, ConfirmedBy.READ_BACK, setting.scope, raw)
        return Confirmed(Outcome.APPLIED, ConfirmedBy.READ_BACK, echo.scope, echo.raw, echo.note)
    if plan.once:
        message = f"{doubt.message}; and what is read afterwards does not prove that it was done"
        raise NotConfirmed(message, venue_code=doubt.venue_code, raw=doubt.raw) from doubt
    raise NotInForce(
        f"{doubt.message}; a read-back shows {setting}",
        venue_code=doubt.venue_code,
        raw=setting.raw,
        details={"read_back": setting.seen},
    ) from doubt
