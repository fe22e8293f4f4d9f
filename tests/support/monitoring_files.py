"""The files for Prometheus and Grafana, and what they say of metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/perps-dma.json").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]

_METRIC = re.compile(r"\b(?:perps_dma|process)_\w+")
_OF_A_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")
_LABELS = re.compile(r"\bby \(([^)]*)\)|\{([^}]*)\}")
_LABEL = re.compile(r"\b([a-z_]+)\s*(?:=|!=|=~|!~)\s*\"")


def dashboard_expressions() -> Iterator[str]:
    """All that the dashboard asks Prometheus."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def expressions() -> list[str]:
    """All that dashboard and rules ask Prometheus."""
    return [*dashboard_expressions(), *(rule["expr"] for rule in RULES)]


def metrics_in(expression: str) -> set[str]:
    """The metrics of an expression, histograms by their own names."""
    return {_OF_A_HISTOGRAM.sub("", name) for name in _METRIC.findall(expression)}


def labels_in(expression: str) -> set[str]:
    """The labels that an expression selects or groups by."""
    named: set[str] = set()
    for grouped, selected in _LABELS.findall(expression):
        named |= {label.strip() for label in grouped.split(",") if label.strip()} | set(_LABEL.findall(selected))
    return named
