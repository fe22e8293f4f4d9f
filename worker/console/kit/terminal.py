"""What every command of the command line needs: the settings, an event loop, and a way to say what is wrong."""

import gc
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from worker.config.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table for people.")]


def fail(message: str) -> typer.Exit:
    """Say what is wrong on standard error; the exit code is 1."""
    typer.secho(f"perps-dma: {message}", fg=typer.colors.RED, err=True)
    return typer.Exit(1)


def read_settings() -> "Settings":
    """The settings of the environment; a wrong one is named with what it should be."""
    from pydantic import ValidationError

    from schemas.problems import problems_of
    from worker.config.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        rows = (f"PERPS_DMA_{row['field'].upper()}: {row['problem']}" for row in problems_of(error))
        raise fail("; ".join(rows)) from error


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on uvloop; what a person can mend ends in one line, not in a traceback.

    What was imported until now stays, and the collector, which was off meanwhile, goes through none of it.
    """
    import uvloop

    from schemas.client.errors import BrokerAway, PerpsDmaError
    from schemas.client.trouble import CONNECTION_TROUBLE
    from worker.runtime.errors import OperatorError

    gc.freeze()
    gc.enable()
    try:
        return uvloop.run(work)
    except BrokerAway as error:
        raise fail(f"the broker can't be reached: {error}") from error
    except (OperatorError, PerpsDmaError) as error:
        raise fail(str(error)) from error
    except CONNECTION_TROUBLE as error:
        raise fail(f"the broker can't be reached: {error}") from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
