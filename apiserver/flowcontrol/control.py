"""Priority and fairness at work: holds the levels, takes in changed objects, lets requests wait.

    cache listener      marks the configuration as changed; the next request is sorted by the new one
    admit               a seat at once, or a future that comes true when it is this request's turn
    maintain            writes the condition `Dangling` of flow schemas

All state is changed in plain functions on the event loop. Made by `app.py`; asked by `filters/fairness.py`.
Source: k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, KEP-1040 (1.36).
"""

import asyncio
from typing import NoReturn

from api.errors import NotFound, StatusError
from api.resource import Obj
from api.times import format_time
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from apiserver.flowcontrol import metrics
from apiserver.flowcontrol.classify import Classifier, Flow, Schema, compile_rules, method_of
from apiserver.flowcontrol.digest import LevelSpec, dangling, level_name, level_specs, ordered_schemas
from apiserver.flowcontrol.dropped import Dropped
from apiserver.flowcontrol.levels import Level, Pool, share_out
from apiserver.flowcontrol.queues import Ticket
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry
from kit import clock, log

_log = log.get("apiserver.flowcontrol")

# Why a request was refused, besides those of `levels`.
TIMED_OUT, CANCELLED = "time-out", "cancelled"


class Refused(Exception):
    """There is no place for the request; `retry_after_s` says when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class FlowControl:
    """The levels and flow schemas of one server with `seats` requests under way at once."""

    def __init__(self, registry: Registry, seats: int, wait_s: float) -> None:
        self._registry = registry
        self._seats = seats
        self._wait_s = wait_s
        self.pool = Pool()
        self.levels: dict[str, Level] = {}
        self._dropped: dict[str, Dropped] = {}
        # Counters of schemas outlive their compiled form.
        self.schemas: dict[str, Schema] = {}
        self._specs: dict[str, LevelSpec] = {}
        self._changed = True
        self._work = asyncio.Event()
        self._digest([], [])

    def mark(self) -> None:
        """The objects have changed."""
        self._changed = True
        self._work.set()

    def schema_of(self, user: User, info: RequestInfo) -> Schema:
        """Return the schema of a request, by the objects of now."""
        if self._changed:
            self.refresh()
        return self._classifier.find(user, info)

    def refresh(self) -> None:
        """Take in the objects as they are."""
        self._changed = False
        self._digest(
            list(self._registry.cached_list(PRIORITYLEVELCONFIGURATIONS)),
            list(self._registry.cached_list(FLOWSCHEMAS)),
        )

    async def wait(self, flow: Flow, width: int) -> Ticket:
        """Wait for seats in the flow's queue; return the ticket to give back. Raises `Refused`."""
        level, now = flow.schema.level, clock.monotonic()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = level.queue((flow, turn), flow.hash, width, now)
        if isinstance(ticket, str):
            self._refuse(flow, ticket, now, 0.0)
        # A queue that was empty may find its level's seats free: somebody else's width kept a request out.
        self._start()
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except TimeoutError:
            self._give_up(ticket, turn)
            self._refuse(flow, TIMED_OUT, now, clock.monotonic() - now)
        except asyncio.CancelledError:
            self._give_up(ticket, turn)
            _count(flow.schema, CANCELLED)
            raise
        metrics.waited(flow.schema, clock.monotonic() - now, True)
        return ticket

    def done(self, level: Level, width: int, ticket: Ticket | None) -> None:
        """A request has ended, or will not begin: its seats go on to who waits."""
        level.release(width, ticket, clock.monotonic() if ticket is not None else 0.0)
        if self.pool.waiting:
            self._start()
        if level.leaving and level.idle:
            self.mark()

    async def maintain(self) -> None:
        """Keep the status of flow schemas true, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            # Changes come in bursts; each is one round here.
            await clock.sleep(0.05)
            self.refresh()
            for schema in list(self._registry.cached_list(FLOWSCHEMAS)):
                await self._tell(schema)

    async def _tell(self, schema: Obj) -> None:
        now = format_time(clock.now())
        if dangling(schema, self._specs, now) is schema:
            return
        name = schema["metadata"]["name"]
        try:
            await self._registry.update(
                FLOWSCHEMAS, "", name, lambda found: dangling(found, self._specs, now), "status"
            )
        except NotFound:
            return
        except StatusError as error:
            _log.warning("status of a flow schema not written", name=name, error=error.message)

    def _start(self) -> None:
        for ticket in self.pool.admit(clock.monotonic()):
            turn: asyncio.Future[None] = ticket.owner[1]
            if turn.done():
                # Its request was cancelled in this very moment and will not say so again.
                continue
            turn.set_result(None)

    def _give_up(self, ticket: Ticket, turn: "asyncio.Future[None]") -> None:
        level: Level = ticket.owner[0].schema.level
        if ticket.running:
            # It was this request's turn in the very moment in which it gave up.
            self.done(level, ticket.width, ticket)
            return
        level.leave(ticket)
        self._start()

    def _refuse(self, flow: Flow, reason: str, now: float, waited: float) -> NoReturn:
        _count(flow.schema, reason)
        metrics.waited(flow.schema, waited, False)
        dropped = self._dropped.setdefault(flow.schema.level.name, Dropped())
        dropped.record(now)
        raise Refused(dropped.retry_after_s)

    def _digest(self, levels: list[Obj], schemas: list[Obj]) -> None:
        self._specs = level_specs(levels)
        self._set_levels()
        ordered = [self._compiled(obj) for obj in ordered_schemas(schemas, self._specs)]
        self.schemas = {schema.name: schema for schema in ordered}
        self._classifier = Classifier(ordered, self.schemas["catch-all"])

    def _set_levels(self) -> None:
        for name, spec in self._specs.items():
            level = self.levels.get(name)
            if level is None:
                self.levels[name] = Level(spec, self.pool)
            else:
                level.configure(spec)
                level.leaving = False
        for name in self.levels.keys() - self._specs.keys():
            self.levels[name].leaving = True
            if self.levels[name].idle:
                del self.levels[name]
                self._dropped.pop(name, None)
        share_out(self.levels.values(), self._seats, self.pool)
        self._start()

    def _compiled(self, obj: Obj) -> Schema:
        spec, metadata = obj["spec"], obj["metadata"]
        level = self.levels[level_name(obj)]
        schema = Schema(
            metadata["name"], metadata.get("uid", ""), level, method_of(spec), compile_rules(spec)
        )
        before = self.schemas.get(schema.name)
        if before is not None and before.level is level:
            schema.dispatched, schema.rejected = before.dispatched, before.rejected
        return schema


def _count(schema: Schema, reason: str) -> None:
    schema.rejected[reason] = schema.rejected.get(reason, 0) + 1
