"""What guardrails mean: which of two are stricter, what a change would break, which version they are.

    defaults of the registry ─▶ the account's own take their place, rule by rule
                                  └▶ with those of the token: the stricter of each ─▶ breach_of(a change)

Nothing here asks anybody. `breach_of` is all that has to be called before a change, by whoever plans or sends one.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator

from schemas.guardrails import Guardrail, Guardrails
from schemas.operations import OPERATIONS
from schemas.requests import MarginMode

FORBIDS_ALL = Guardrails(operations=())
"""No command is allowed."""

LEVERAGES = frozenset({"max_leverage", "max_leverage_of"})
"""The two rules about the highest leverage."""

VERSION_DIGITS = 16
"""Hexadecimal digits of a version: two policies of one company never share them by accident."""


COMMANDS = frozenset(operation.name for operation in OPERATIONS.values() if operation.is_command)
"""The operations that can be allowed."""


def _known_commands(guardrails: Guardrails) -> Guardrails:
    if unknown := sorted({*(guardrails.operations or ())} - COMMANDS):
        raise ValueError(
            f"operations: there is no command {', '.join(unknown)}; there are {', '.join(sorted(COMMANDS))}"
        )
    return guardrails


WrittenGuardrails = Annotated[Guardrails, AfterValidator(_known_commands)]
"""As people write them: an operation that there is not is a mistake."""


@dataclass(frozen=True, slots=True)
class WantedChange:
    """What is to be changed, as far as guardrails speak of it; by one command, or by a step of a plan."""

    operation: str
    symbol: str | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a change would break: what it allows, what is asked, and both in words."""

    rule: Guardrail
    allowed: Any
    asked: Any
    message: str


def breach_of(guardrails: Guardrails, change: WantedChange, *, open_at: Decimal | None = None) -> Breach | None:
    """The first rule that a change would break; None where it may be made.

    `open_at` is the lowest leverage at which the market has an open position now, None while it is flat. It has to be
    read at the venue where `needs_position` says so: without it that rule forbids nothing.
    """
    symbol, leverage, mode = change.symbol, change.leverage, change.margin_mode
    allowed, modes = guardrails.operations, guardrails.margin_modes
    if allowed is not None and change.operation not in allowed:
        message = f"{change.operation} is not allowed, only {_listed(allowed)}"
        return Breach(Guardrail.OPERATIONS, list(allowed), change.operation, message)
    highest = guardrails.max_leverage_of.get(symbol or "", guardrails.max_leverage)
    if leverage is not None and highest is not None and leverage > highest:
        of_symbol = symbol in guardrails.max_leverage_of
        rule = Guardrail.MAX_LEVERAGE_OF if of_symbol else Guardrail.MAX_LEVERAGE
        where = f" for {symbol}" if of_symbol else ""
        message = f"{_times(leverage)} is more than the {_times(highest)} that is allowed{where}"
        return Breach(rule, highest, leverage, message)
    if mode is not None and modes is not None and mode not in modes:
        message = f"the margin mode {mode} is not allowed, only {_listed(modes)}"
        return Breach(Guardrail.MARGIN_MODES, [str(name) for name in modes], str(mode), message)
    if guardrails.only_lower_while_open and leverage is not None and open_at is not None and leverage > open_at:
        message = (
            f"{symbol} has an open position at {_times(open_at)}, and while it has, its leverage may only be lowered; "
            f"{_times(leverage)} would raise it"
        )
        return Breach(Guardrail.ONLY_LOWER_WHILE_OPEN, open_at, leverage, message)
    return None


def needs_position(guardrails: Guardrails, change: WantedChange) -> bool:
    """Whether it has to be known if the market has an open position."""
    return guardrails.only_lower_while_open and change.leverage is not None


def stricter(one: Guardrails, other: Guardrails) -> Guardrails:
    """Of each rule the stricter: what is allowed by both.

    >>> str(stricter(Guardrails(max_leverage=10), Guardrails(max_leverage=20)).max_leverage)
    '10'
    """
    symbols = {*one.max_leverage_of, *other.max_leverage_of}
    of_symbols = {symbol: _lowest(one.highest(symbol), other.highest(symbol)) for symbol in sorted(symbols)}
    return Guardrails(
        max_leverage=_lowest(one.max_leverage, other.max_leverage),
        max_leverage_of={symbol: limit for symbol, limit in of_symbols.items() if limit is not None},
        margin_modes=_common(one.margin_modes, other.margin_modes),
        operations=_common(one.operations, other.operations),
        only_lower_while_open=one.only_lower_while_open or other.only_lower_while_open,
    )


def overlaid(defaults: Guardrails, own: Guardrails) -> Guardrails:
    """The guardrails of an account: its own rules, and of the defaults those that it says nothing of.

    The two rules about leverage are one here: an account that has its own maximum is not given exceptions from it.
    """
    said = own.model_fields_set
    if said & LEVERAGES:
        said |= LEVERAGES
    return defaults.model_copy(update={name: getattr(own, name) for name in said})


def canonical_of(guardrails: Guardrails) -> str:
    """Guardrails as JSON that is the same for the same rules: by name in order, without what forbids nothing.

    >>> canonical_of(Guardrails(max_leverage=Decimal("20.0"), operations=("b", "a")))
    '{"max_leverage":20,"operations":["a","b"]}'
    """
    rules: dict[str, Any] = {
        "max_leverage": None if guardrails.max_leverage is None else _exact(guardrails.max_leverage),
        "max_leverage_of": {name: _exact(limit) for name, limit in guardrails.max_leverage_of.items()} or None,
        "margin_modes": guardrails.margin_modes,
        "operations": guardrails.operations,
        "only_lower_while_open": guardrails.only_lower_while_open or None,
    }
    said = {name: rule for name, rule in rules.items() if rule is not None}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()


def version_of(guardrails: Guardrails) -> str:
    """The version of a policy: the beginning of the SHA-256 over its canonical form.

    >>> version_of(Guardrails(max_leverage=20)) == version_of(Guardrails(max_leverage=Decimal("20.00")))
    True
    """
    return hashlib.sha256(canonical_of(guardrails).encode()).hexdigest()[:VERSION_DIGITS]


@dataclass(frozen=True, slots=True)
class Policy:
    """What commands may do at most, and the version by which that is told of; made once and held."""

    guardrails: Guardrails
    version: str

    @classmethod
    def of(cls, guardrails: Guardrails) -> Self:
        """The policy that guardrails are."""
        return cls(guardrails, version_of(guardrails))


def _lowest(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def _common(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(name for name in one if name in other)


def _digits(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _exact(number: Decimal) -> orjson.Fragment:
    return orjson.Fragment(_digits(number))


def _times(leverage: Decimal) -> str:
    return f"{_digits(leverage)}x"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
