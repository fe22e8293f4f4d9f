"""The rows that measure the service as it is used: many accounts with positions, a past, limits, hours of work."""

from dataclasses import dataclass, field

from tests.benchmarks.desk import DeskRun, with_documented_limits, with_lifted_limits
from tests.benchmarks.growth import Costs, growth, growth_rows, show_growth
from tests.benchmarks.progress import measuring
from tests.benchmarks.refusals import refusals
from tests.benchmarks.replay import replay
from tests.benchmarks.report import show_samples
from tests.benchmarks.rows import Row
from tests.benchmarks.scale import Scale
from tests.benchmarks.statements import growing_statements
from tests.benchmarks.stops import longest_stop
from worker.config.settings import Settings


@dataclass(slots=True)
class AsUsers:
    """What was measured."""

    desks: dict[str, DeskRun] = field(default_factory=dict)
    costs: Costs = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def show(self, scale: Scale, *, markdown: bool) -> None:
        """The tables behind the ratios."""
        for limits, run in self.desks.items():
            title = f"(i) 64 accounts, 20 ms of venue, 100,000 commands kept, {limits}"
            show_samples(title, "at once", run.samples, markdown=markdown)
        show_growth(self.costs, scale, markdown=markdown)


async def measured_as_users(settings: Settings, scale: Scale) -> AsUsers:
    """One row after the other, each on a venue and a ledger of its own."""
    found, folder = AsUsers(), settings.state
    with measuring("a desk of 64 accounts over HTTP against FastAPI with ccxt, limits lifted"):
        found.desks["lifted limits"], cost = await with_lifted_limits(settings, folder / "desk", scale)
    if scale.documented_s:
        with measuring("the same on documented limits and default settings"):
            run = await with_documented_limits(settings, folder / "documented", scale.documented_s)
            found.desks["documented limits"] = run
    with measuring("what a command costs as more is kept"):
        found.costs = await growth(settings, folder / "growth", scale)
    found.rows = [row for limits, run in found.desks.items() for row in run.rows(limits)]
    found.rows += cost + growth_rows(found.costs, scale) + await _counted(settings, scale)
    return found


async def _counted(settings: Settings, scale: Scale) -> list[Row]:
    folder = settings.state
    with measuring("the plans of the ledger's statements"):
        rows = await growing_statements(folder)
    with measuring(f"what readings of 1,000 accounts leave to commands, for {scale.refusals_s:g} s"):
        rows += await refusals(settings, folder / "refusals", scale.refusals_s)
    if scale.soak_s:
        with measuring(f"the longest stop of the loop, for {scale.soak_s:g} s"):
            rows += await longest_stop(settings, folder / "stops", scale.soak_s)
    with measuring("how fast events are replayed"):
        rows += await replay(str(settings.amqp_url))
    return rows
