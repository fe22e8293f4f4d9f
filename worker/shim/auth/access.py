"""Who may do what over HTTP: a token that is good, not too often, with the role, for the account."""

from starlette.requests import Request
from starlette.responses import Response

from schemas import ErrorCode, Operation, failure
from schemas.base import WireModel
from schemas.operations import READERS
from worker.runtime.clock import now
from worker.shim.auth.claims import Actor
from worker.shim.auth.denials import Denials
from worker.shim.auth.rate_limit import RateLimit
from worker.shim.auth.tokens import Denied, Verifier
from worker.shim.kit.envelope import HttpRefusal


class AccessControl:
    """Lets requests in. What it denies is counted for the audit when it is answered."""

    def __init__(self, verifier: Verifier, denials: Denials, rate: RateLimit | None = None) -> None:
        self._verifier = verifier
        self._denials = denials
        self._rate = rate

    async def admit(self, request: Request, roles: frozenset[str] = READERS) -> Actor:
        """Who sends a request. Raises HttpRefusal: 401, 403 by role, 429, or 503 while there are no keys."""
        actor = await self._verifier.actor(request.headers.get("authorization"), now())
        if self._rate is not None:
            await self._rate.take(actor)
        if not actor.roles & roles:
            message = f"this needs the role {' or '.join(sorted(roles))}"
            raise Denied("role", failure(ErrorCode.FORBIDDEN, message), actor=actor)
        return actor

    async def is_open(self) -> bool:
        """Whether anybody could be let in."""
        return await self._verifier.has_keys()

    def refused(self, refusal: HttpRefusal, request: Request, operation: str) -> Response:
        """A refusal as an answer."""
        if isinstance(refusal, Denied):
            self._denials.note(refusal, operation, request.client.host if request.client else None)
        return refusal.response()


def require_account(actor: Actor, operation: Operation, request: WireModel) -> None:
    """Whether a token may name the account of a request, or ask for what tells of all. Raises Denied (403).

    A request that names no account, though it could, is about several: a freeze of a venue, or of everything. Where
    the rows of the answer name theirs, it is shown those that it may see.
    """
    if actor.accounts is None:
        return
    if operation.tells_of_all:
        raise _not_allowed(actor, "this tells of all accounts, and the token is limited to some")
    if "exchange_account_id" in operation.request.model_fields:
        account = getattr(request, "exchange_account_id", None)
        if account is not None or not operation.rows_by_account:
            require_known(actor, account)


def require_known(actor: Actor, account: str | None) -> None:
    """Whether a token may name an account; None stands for more than one. Raises Denied (403)."""
    if not actor.may_name(account):
        what = "more than one account" if account is None else f"the account {account!r}"
        raise _not_allowed(actor, f"this is about {what}, and the token is limited to others", account)


def _not_allowed(actor: Actor, message: str, account: str | None = None) -> Denied:
    return Denied("account", failure(ErrorCode.FORBIDDEN, message), actor=actor, account=account)
