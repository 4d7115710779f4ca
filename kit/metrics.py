"""Counters, gauges and histograms cheap enough for every request, rendered as Prometheus text.

    requests = REGISTRY.counter("apiserver_request_total", "Requests by verb and code.", ("verb", "code"))
    requests.add(("get", "200"))

Label values must come from a bounded set: a client must not be able to invent one.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeAlias

Labels: TypeAlias = tuple[str, ...]

# Seconds; the default buckets of upstream's request metrics, thinned.
DEFAULT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Counter:
    def __init__(self, name: str, text: str, labels: Sequence[str] = (), kind: str = "counter") -> None:
        self.name, self.text, self.labels, self.kind = name, text, tuple(labels), kind
        self.values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), amount: float = 1.0) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + amount

    def set(self, value: float, labels: Labels = ()) -> None:
        self.values[labels] = value

    def render(self) -> list[str]:
        return [
            f"{self.name}{_braces(self.labels, values)} {number:g}" for values, number in self.values.items()
        ]


class Histogram:
    kind = "histogram"

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        self.name, self.text, self.labels, self.buckets = name, text, tuple(labels), tuple(buckets)
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, value: float, labels: Labels = ()) -> None:
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.buckets) + 1)
            self.sums[labels] = 0.0
        counts[bisect_left(self.buckets, value)] += 1
        self.sums[labels] += value

    def render(self) -> list[str]:
        lines: list[str] = []
        for values, counts in self.counts.items():
            running = 0
            for bound, count in zip((*self.buckets, float("inf")), counts, strict=True):
                running += count
                le = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(f"{self.name}_bucket{_braces((*self.labels, 'le'), (*values, le))} {running}")
            braces = _braces(self.labels, values)
            lines.append(f"{self.name}_sum{braces} {self.sums[values]:g}")
            lines.append(f"{self.name}_count{braces} {running}")
        return lines


class Registry:
    """The metrics of one process; `collect` functions run before each rendering to set gauges."""

    def __init__(self) -> None:
        self._metrics: dict[str, Counter | Histogram] = {}
        self.collect: list[Callable[[], None]] = []

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return self._add(Counter(name, text, labels))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return self._add(Counter(name, text, labels, "gauge"))

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Histogram:
        metric = Histogram(name, text, labels, buckets)
        self._metrics[name] = metric
        return metric

    def _add(self, metric: Counter) -> Counter:
        self._metrics[metric.name] = metric
        return metric

    def render(self) -> bytes:
        """Return the Prometheus text exposition (version 0.0.4)."""
        for function in self.collect:
            function()
        lines: list[str] = []
        for metric in self._metrics.values():
            lines += [
                f"# HELP {metric.name} {metric.text}",
                f"# TYPE {metric.name} {metric.kind}",
                *metric.render(),
            ]
        return ("\n".join(lines) + "\n").encode()


REGISTRY = Registry()


def _braces(names: Sequence[str], values: Labels) -> str:
    if not names:
        return ""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}"
