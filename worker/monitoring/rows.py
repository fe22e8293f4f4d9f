"""States as metrics: one gauge each, named and explained."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Rows = Iterable[tuple[tuple[str, ...], float]]


def gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    """One value."""
    return GaugeMetricFamily(name, help_text, value)


def gauges(name: str, help_text: str, labels: tuple[str, ...], rows: Rows) -> GaugeMetricFamily:
    """A value for each combination of labels."""
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def consumers(counts: Mapping[str, int]) -> GaugeMetricFamily:
    """Consumers by operation. Worker and shim tell it alike."""
    rows = (((operation,), count) for operation, count in counts.items())
    return gauges("perps_dma_consumers", "Consumers of an operation's queue, as the broker says", ("operation",), rows)


def broker_connected(connected: bool) -> GaugeMetricFamily:
    """Whether this process is connected."""
    return gauge("perps_dma_broker_connected", "1 while this process is connected to the broker", connected)


def http_connections(count: int) -> GaugeMetricFamily:
    """Connections to the shim."""
    return gauge("perps_dma_http_connections", "Open connections to the shim", count)


def http_connections_dropped(counts: Mapping[str, int]) -> CounterMetricFamily:
    """Connections that made room for others, by the limit that was reached."""
    family = CounterMetricFamily(
        "perps_dma_http_connections_dropped",
        "Connections closed to make room: for `all`, an `address`, or want of `descriptors`",
        labels=("reason",),
    )
    for reason, count in counts.items():
        family.add_metric((reason,), count)
    return family


@cache
def build_info() -> GaugeMetricFamily:
    """Which version runs."""
    return gauges(
        "perps_dma_build_info", "Always 1; the label tells the version", ("version",), [((version("perps-dma"),), 1)]
    )
