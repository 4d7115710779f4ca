"""`/debug/api_priority_and_fairness/dump_*`: levels, queues and waiting requests as text tables.

Source: k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go (1.36).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from apiserver.flowcontrol.classify import Flow
from apiserver.flowcontrol.control import FlowControl
from apiserver.flowcontrol.levels import Level
from apiserver.http.message import Request, Response
from kit import clock

_ROOT = "/debug/api_priority_and_fairness/"
_LEVELS = (
    "PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests",
    "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests",
)  # fmt: skip
_QUEUES = (
    "PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR",
    "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum",
)  # fmt: skip
_REQUESTS = (
    "PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher",
    "ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency",
)  # fmt: skip
_DETAILS = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")
_NONE = "<none>"

Row = Sequence[object]


def answer(control: FlowControl, request: Request) -> Response | None:
    """Answer a request for one of the tables; None to any other path."""
    if not request.path.startswith(_ROOT) or request.method not in ("GET", "HEAD"):
        return None
    match request.path.removeprefix(_ROOT):
        case "dump_priority_levels":
            rows = _level_rows(control)
        case "dump_queues":
            rows = _queue_rows(control)
        case "dump_requests":
            rows = _request_rows(control, bool(request.param("includeRequestDetails")))
        case _:
            return None
    return Response(200, table(rows).encode(), "text/plain; charset=utf-8")


def table(rows: Iterable[Row]) -> str:
    """Return rows in aligned columns, as Go's tabwriter makes them of cells that end in a comma."""
    texts = [[*(f"{cell}," for cell in row[:-1]), str(row[-1])] for row in rows]
    widths = [max(8, 1 + max(map(len, column))) for column in zip(*texts, strict=True)]
    lines = (
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in texts
    )
    return "".join(line + "\n" for line in lines)


def _level_rows(control: FlowControl) -> Iterable[Row]:
    yield _LEVELS
    for level in control.levels.values():
        if level.spec.exempt:
            yield (level.name, *[_NONE] * (len(_LEVELS) - 1))
            continue
        busy = sum(1 for queue in level.queues.dump() if queue.waiting) if level.queues is not None else 0
        state = (busy, _go(level.idle), _go(level.leaving), level.waiting, level.running)
        yield (level.name, *state, *_totals(control, level))


def _totals(control: FlowControl, level: Level) -> Row:
    schemas = [schema for schema in control.schemas.values() if schema.level is level]
    refused = {
        reason: sum(schema.rejected.get(reason, 0) for schema in schemas)
        for reason in ("queue-full", "concurrency-limit", "time-out", "cancelled")
    }
    dispatched = sum(schema.dispatched for schema in schemas)
    return (
        dispatched,
        refused["queue-full"] + refused["concurrency-limit"],
        refused["time-out"],
        refused["cancelled"],
    )


def _queue_rows(control: FlowControl) -> Iterable[Row]:
    yield _QUEUES
    for level in control.levels.values():
        if level.queues is None:
            yield (level.name, *[_NONE] * (len(_QUEUES) - 1))
            continue
        for queue in level.queues.dump():
            wanted = sum(ticket.width for ticket in queue.waiting)
            counts = (queue.index, len(queue.waiting), queue.running, queue.seats)
            yield (level.name, *counts, f"{queue.had:.8f}ss", wanted, wanted, "0.00000000ss")


def _request_rows(control: FlowControl, details: bool) -> Iterable[Row]:
    yield (*_REQUESTS, *_DETAILS) if details else _REQUESTS
    for level in control.levels.values():
        for queue in level.queues.dump() if level.queues is not None else ():
            for place, ticket in enumerate(queue.waiting):
                flow: Flow = ticket.owner[0]
                where = (flow.schema.name, queue.index, place, flow.distinguisher)
                row = (level.name, *where, _moment(ticket.arrived), ticket.width, 0, "0s")
                yield (*row, *_details(flow)) if details else row


def _details(flow: Flow) -> Row:
    info = flow.info
    version = f"{info.group}/{info.version}" if info.group else info.version
    place = (info.path, info.namespace, info.name, version, info.resource, info.subresource)
    return (flow.user.name, info.verb, *place)


def _moment(arrived: float) -> str:
    """Return the wall-clock time of a moment of the loop's clock."""
    ago = clock.monotonic() - arrived
    return datetime.fromtimestamp(clock.now().timestamp() - ago, UTC).isoformat().replace("+00:00", "Z")


def _go(value: bool) -> str:
    return "true" if value else "false"
