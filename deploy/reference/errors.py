"""Outcomes with their exit codes, and every error."""

from reference.markdown import code, page, sentence, table
from schemas.outcomes import ERRORS
from worker.console.desk.margin_settings import EXIT_CODES

INTRODUCTION = """\
Every `error.code` with its HTTP status, and whether the same request may succeed later. Programs branch on the code;
messages are for people. On the bus the status is the header `status` of the reply. What an
[outcome](../concepts/outcomes.md) means stands with the concepts."""

RETRYING = """\
**Retry** means: the same request, after `Retry-After` where it is given. Of a command that ended, the same id is told
the same answer again: take a new one for a new attempt, and the same one only where no answer came."""

EXITS = """\
## Exit codes

`perps-dma leverage` and `perps-dma margin-mode` end with the outcome of their command; 1 is what never became a
command, 2 a line that can't be understood."""


def errors_page() -> str:
    """The page."""
    rows = (
        (code(name), str(kind.status), "yes" if kind.retryable else "no", sentence(kind.meaning))
        for name, kind in sorted(ERRORS.items(), key=lambda item: (item[1].status, item[0]))
    )
    exits = ((code(outcome), str(status)) for outcome, status in EXIT_CODES.items())
    return page(
        "Errors",
        INTRODUCTION,
        table(("`error.code`", "HTTP", "retry", "meaning"), rows),
        RETRYING,
        EXITS,
        table(("outcome", "exit code"), exits),
    )
