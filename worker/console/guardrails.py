"""Guardrails as they are written on the command line, and shown there."""

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from schemas.guardrails import UNGUARDED, Guardrails
from schemas.problems import problems_of
from worker.accounts.guardrails import WrittenGuardrails
from worker.runtime.errors import ConfigurationError


def read_guardrails(text: str | None) -> Guardrails:
    """Guardrails in JSON. Raises ConfigurationError, naming each field that is wrong."""
    if text is None:
        return UNGUARDED
    written: TypeAdapter[Guardrails] = TypeAdapter(WrittenGuardrails)
    try:
        return written.validate_json(text)
    except ValidationError as error:
        told = "; ".join(f"{row['field']}: {row['problem']}" for row in problems_of(error))
        raise ConfigurationError(f"--guardrails, {told}") from error


def guardrails_told(guardrails: Guardrails) -> str:
    """Guardrails in words; nothing where there are none."""
    return "; ".join(_told(guardrails))


def _told(guardrails: Guardrails) -> Iterator[str]:
    if guardrails.max_leverage is not None:
        yield f"up to {guardrails.max_leverage.normalize():f}x"
    for symbol, limit in guardrails.max_leverage_of.items():
        yield f"{symbol} up to {limit.normalize():f}x"
    if guardrails.only_lower_while_open:
        yield "only lower while open"
    if guardrails.margin_modes is not None:
        yield f"{' or '.join(guardrails.margin_modes) or 'no margin mode'} only"
    if guardrails.operations is not None:
        yield f"{', '.join(guardrails.operations) or 'no command'} only"
