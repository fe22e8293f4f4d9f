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
                          ─▶ shows the old value ───▶ send again, a few times
                          ─▶ not to be had ──────────▶ unknown

A change that another worker may have sent before it ended begins with the read-back.
"""

import asyncio
from typing import NoReturn

from schemas import Outcome
from schemas.events import ConfirmedBy, Scope
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired, Frozen, NotConfirmed, NotInForce
from worker.execution.retries import CHANGE
from worker.handlers.plan import Applied, CommandPlan, Confirmed
from worker.telemetry.stages import reading_back
from worker.venues.port.adapter import Echo
from worker.venues.port.errors import AlreadySo, Ambiguous, LimitReached, NotSent, PreconditionFailed, VenueError

HINDERED = (Expired, Frozen, LimitReached)
"""Why we ourselves send no more; trying again is no remedy."""


async def send_until_confirmed(plan: CommandPlan, calls: VenueCalls) -> Applied:
    """Check a change, and send it until it is confirmed.

    Raises a Refused of the venue, Expired when it never left before the deadline, Frozen, or NotConfirmed.
    """
    if plan.check is not None:
        await calls.check(plan.check)
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
        except (NotSent, NotConfirmed, Expired, Frozen, LimitReached) as error:
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
    if plan.read_back is None or refusal.venue_code is None:
        raise refusal
    try:
        with reading_back():
            terms = await calls.read(plan.read_back)
    except (VenueError, Expired):
        raise refusal from None
    if not plan.shown(terms):
        raise refusal
    return Confirmed(_by_whom(doubt), ConfirmedBy.READ_BACK, Scope.SYMBOL, terms.raw, venue_code=refusal.venue_code)


def _give_up(error: NotSent | NotConfirmed | Expired | Frozen | LimitReached, doubt: NotConfirmed | None) -> NoReturn:
    """What was sent once stays in doubt, whatever became of later attempts; only what never left expires."""
    if doubt is not None:
        raise doubt
    if isinstance(error, HINDERED):
        raise error
    raise Expired(f"{error.message}; nothing was sent before the deadline") from error


async def _resume(plan: CommandPlan, calls: VenueCalls) -> Confirmed:
    return await _read_back(plan, calls, Ambiguous("the worker that carried it out ended before it could tell"))


async def _attempt(plan: CommandPlan, calls: VenueCalls) -> Confirmed:
    try:
        echo = await calls.change(plan.send, read_back=plan.read_back is not None)
    except Ambiguous as doubt:
        return await _read_back(plan, calls, doubt)
    if plan.echoed(echo):
        return Confirmed(Outcome.APPLIED, ConfirmedBy.ECHO, echo.scope, echo.raw, echo.note)
    return await _read_back(plan, calls, Ambiguous("the answer does not show the setting", raw=echo.raw), echo)


async def _read_back(plan: CommandPlan, calls: VenueCalls, doubt: Ambiguous, echo: Echo | None = None) -> Confirmed:
    if plan.read_back is None:
        raise NotConfirmed(doubt.message, venue_code=doubt.venue_code, raw=doubt.raw) from doubt
    try:
        with reading_back():
            terms = await (calls.query if calls.interrupted else calls.read)(plan.read_back)
    except (VenueError, Expired) as error:
        raise NotConfirmed(
            f"{doubt.message}; and reading it back failed: {error}", venue_code=doubt.venue_code, raw=doubt.raw
        ) from error
    if plan.shown(terms):
        if echo is None:
            return Confirmed(Outcome.APPLIED, ConfirmedBy.READ_BACK, Scope.SYMBOL, terms.raw)
        return Confirmed(Outcome.APPLIED, ConfirmedBy.READ_BACK, echo.scope, echo.raw, echo.note)
    seen = {"leverage": terms.leverage, "margin_mode": terms.margin_mode}
    raise NotInForce(
        f"{doubt.message}; a read-back shows {terms.leverage}x {terms.margin_mode}",
        venue_code=doubt.venue_code,
        raw=terms.raw,
        details={"read_back": seen},
    ) from doubt
