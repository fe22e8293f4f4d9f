"""Every metric: found in the source, for what is a state has no name before it is collected."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reference.markdown import code, codes, page, table

WORKER = Path(__file__).parents[2] / "worker"
KINDS = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Histogram": "histogram",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "gauge": "gauge",
    "gauges": "gauge",
}
"""What makes a metric, by the name of the function or class."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

OF_THE_SHIM, OF_THE_WORKER = WORKER / "shim", WORKER / "monitoring" / "worker_states.py"

INTRODUCTION = """\
Every metric with its labels, and where it is served. Worker and shim serve `/metrics`, `/livez` and `/readyz` on a
port of their own, `PERPS_DMA_METRICS_PORT`, never on the public one; `make up` chooses two and prints them. They ask
for no token: keep that port inside your network. [Watching it](../how-to/watch.md) says what to alert on.

Labels are names out of the program's own tables (`venue` is `okx`, or `okx demo` for that network); the only one that
grows with what you register is `account`. Prometheus' usual `process_*` and `python_gc_*` come beside them."""

AFTERWORD = """\
Outbox, doubts, snapshots and freezes are read from the ledger, so every worker on it tells the same: take their
maximum, not their sum. A doubt is forgotten with its command, after `PERPS_DMA_RETENTION_DAYS`.

The stages of a command are `queue` (until it is received), `lane` (until it is its turn on its account), `limiter`
(until the venue's limits have room), `venue`, `readback`, `ledger` and `publish`; what is left of the whole is our
own work. The wait in the queue counts from the header `timestamp_in_ms`, which the shim sets and RabbitMQ can set for
everybody (`message_interceptors.incoming.set_header_timestamp.overwrite = false`, from 3.12 on); else from the end of
the second that AMQP's timestamp names."""


class Found(NamedTuple):
    """A metric as a call makes it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    served_by: str


def metrics_page() -> str:
    """The page."""
    rows = (
        (code(row.name), row.kind, codes(row.labels), row.served_by, row.meaning)
        for row in sorted(all_metrics(), key=lambda row: row.name)
    )
    return page("Metrics", INTRODUCTION, table(("metric", "kind", "labels", "of", "meaning"), rows), AFTERWORD)


def all_metrics() -> Iterator[Found]:
    """Those of all modules."""
    for module in sorted(WORKER.rglob("*.py")):
        if "perps_dma_" in (source := module.read_text()):
            yield from _metrics_of(module, ast.parse(source))


def _metrics_of(module: Path, tree: ast.Module) -> Iterator[Found]:
    for function in (tree, *(node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))):
        for call in _calls(function):
            match call:
                case ast.Call(
                    func=ast.Name(id=maker),
                    args=[ast.Constant(value=str(name)), ast.Constant(value=str(meaning)), *more],
                ) if maker in KINDS and name.startswith("perps_dma_"):
                    end = "_total" if KINDS[maker] == "counter" else ""
                    labels = _labels(
                        _argument(call, "labels") or next(iter(more), None), _assigned(tree) | _assigned(function)
                    )
                    served = _served(call, module, getattr(function, "name", ""))
                    yield Found(f"{name.removesuffix(end)}{end}", KINDS[maker], labels, meaning, served)


def _assigned(scope: ast.AST) -> dict[str, ast.expr]:
    """What stands under a name in a module or function."""
    return {ast.unparse(node.targets[0]): node.value for node in ast.walk(scope) if isinstance(node, ast.Assign)}


def _calls(scope: ast.AST) -> Iterator[ast.AST]:
    """The calls of a scope, without those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, FUNCTIONS):
            yield from _calls(child)


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def _labels(node: ast.expr | None, assigned: dict[str, ast.expr]) -> tuple[str, ...]:
    """The names in a tuple, with those of other tuples in it."""
    match node:
        case ast.Tuple(elts=parts):
            return tuple(label for part in parts for label in _labels(part, assigned))
        case ast.Constant(value=str(label)):
            return (label,)
        case ast.Starred(value=inner):
            return _labels(inner, assigned)
        case ast.Name(id=name) if name in assigned:
            return _labels(assigned[name], assigned)
        case _:
            return ()


def _served(call: ast.Call, module: Path, function: str) -> str:
    """Worker, shim or both: as the registry says, or whoever calls the function that makes it."""
    if (registry := _argument(call, "registry")) is not None:
        return ast.unparse(registry).lower()
    if module == OF_THE_WORKER:
        return "worker"
    shim = "".join(path.read_text() for path in OF_THE_SHIM.rglob("*.py"))
    users = {"worker": OF_THE_WORKER.read_text(), "shim": shim}
    return " and ".join(name for name, text in users.items() if f"{function}(" in text)
