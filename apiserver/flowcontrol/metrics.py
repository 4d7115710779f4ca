"""The metrics of priority and fairness, under upstream's names; labels are names of configuration objects.

Spec: k8s.io/apiserver/pkg/util/flowcontrol/metrics (1.36).
"""

from collections.abc import Callable, Iterable

from apiserver.flowcontrol.classify import Schema
from apiserver.flowcontrol.levels import Level
from kit.metrics import REGISTRY, Counter

_PREFIX = "apiserver_flowcontrol_"
_LEVEL, _BOTH = ("priority_level",), ("priority_level", "flow_schema")


def _gauge(name: str, text: str, labels: tuple[str, ...] = _LEVEL) -> Counter:
    return REGISTRY.gauge(_PREFIX + name, text, labels)


_rejected = REGISTRY.counter(
    f"{_PREFIX}rejected_requests_total", "Requests refused, by reason.", (*_BOTH, "reason")
)
_dispatched = REGISTRY.counter(f"{_PREFIX}dispatched_requests_total", "Requests let through.", _BOTH)
_waits = REGISTRY.histogram(
    f"{_PREFIX}request_wait_duration_seconds",
    "How long requests that found no free seat waited.",
    (*_BOTH, "execute"),
)
_running = _gauge("current_executing_requests", "Requests under way.", _BOTH)
_inqueue = _gauge("current_inqueue_requests", "Requests that wait.", _BOTH)
_seats = _gauge("current_executing_seats", "Seats taken.")
_nominal = _gauge("nominal_limit_seats", "The level's own seats, by its shares.")
_lower = _gauge("lower_limit_seats", "Seats that no other level may borrow.")
_upper = _gauge("upper_limit_seats", "Seats with all that the level may borrow.")
_current = _gauge("current_limit_seats", "Seats that the level could take now.")
_limit = _gauge("request_concurrency_limit", "The same as nominal_limit_seats, by its old name.")


def waited(schema: Schema, seconds: float, served: bool) -> None:
    """Note the end of a wait."""
    labels = (schema.level.name, schema.name, "true" if served else "false")
    _waits.observe(seconds, labels)


def observe(
    levels: Callable[[], Iterable[Level]], schemas: Callable[[], Iterable[Schema]]
) -> Callable[[], None]:
    """Return the function that sets everything else before each rendering."""

    def collect() -> None:
        _levels(list(levels()))
        _schemas(list(schemas()))

    return collect


def _levels(levels: list[Level]) -> None:
    _seats.values = {(level.name,): float(level.used) for level in levels}
    limited = [level for level in levels if not level.spec.exempt]
    _nominal.values = {(level.name,): float(level.nominal) for level in levels}
    _limit.values = {(level.name,): float(level.nominal) for level in limited}
    _lower.values = {(level.name,): float(level.kept) for level in levels}
    _upper.values = {(level.name,): float(level.most) for level in limited}
    _current.values = {(level.name,): float(level.limit) for level in limited}


def _schemas(schemas: list[Schema]) -> None:
    labels = {schema: (schema.level.name, schema.name) for schema in schemas}
    _dispatched.values = {labels[schema]: float(schema.dispatched) for schema in schemas}
    _running.values = {labels[schema]: float(schema.running) for schema in schemas}
    _rejected.values = {
        (*labels[schema], reason): float(count)
        for schema in schemas
        for reason, count in schema.rejected.items()
    }
    _inqueue.values = {labels[schema]: 0.0 for schema in schemas}
    for level in {schema.level for schema in schemas}:
        for ticket in level.tickets():
            name = ticket.owner[0].schema.name
            _inqueue.add((level.name, name))
