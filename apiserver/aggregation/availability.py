"""Keeps the condition `Available` of APIServices true, and what remote servers tell of themselves at hand.

    a change of the APIService, its Service, an EndpointSlice beside it   checked at once
    passed      checked again after 30 s; described anew after a minute, or when it had been away
    failed      checked again after 0.2 s, 0.4 s ... 30 s; what it told before is passed on as stale. The same
                if it does not say what it serves

One per server; made and run by `aggregator.py`. Several servers write the same, so they do not get in each
other's way. Source: kube-aggregator/pkg/controllers/status/remote (1.36).
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from api.errors import NotFound, StatusError
from api.resource import Obj
from api.slices import SERVICE_NAME
from api.times import format_time
from api.types.apiregistration_v1 import APISERVICES
from api.types.core_v1 import SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from apiserver.aggregation import conditions, remote
from apiserver.aggregation.backend import Backend
from apiserver.aggregation.conditions import Finding
from apiserver.aggregation.connections import Connections
from apiserver.aggregation.remote import Description, Failed
from apiserver.registry import Registry
from kit import clock, log
from kit.metrics import REGISTRY
from kit.tasks import Tasks

_log = log.get("apiserver.aggregation")

_AGAIN_S, _FIRST_S, _LONGEST_S = 30.0, 0.2, 30.0
_DESCRIBE_S = 60.0
_unavailable = REGISTRY.gauge(
    "aggregator_unavailable_apiservice", "APIServices that are not available.", ("name",)
)


@dataclass
class _State:
    """One remote APIService as this server knows it."""

    backend: Backend
    due: float = 0.0
    failures: int = 0
    running: bool = False
    # Looked for again while it was being checked.
    marked: bool = False
    described: Description | None = None
    described_at: float = 0.0
    stale: bool = True


class Availability:
    """Checks the remote APIServices; `changed` is called when what is known of one has changed."""

    def __init__(self, registry: Registry, connections: Connections, changed: Callable[[], None]) -> None:
        self._registry = registry
        self._connections = connections
        self._changed = changed
        self._states: dict[str, _State] = {}
        self._wake = asyncio.Event()
        self._tasks = Tasks()

    def follow(self, backends: Iterable[Backend]) -> None:
        """Check these from now on; at once what is new or leads elsewhere."""
        wanted = {backend.name: backend for backend in backends}
        for name in self._states.keys() - wanted.keys():
            del self._states[name]
            _unavailable.values.pop((name,), None)
        for name, backend in wanted.items():
            state = self._states.get(name)
            if state is None or state.backend.where != backend.where:
                self._states[name] = _State(backend)
            else:
                state.backend = backend
        self._wake.set()

    def touch(self, namespace: str) -> None:
        """A Service or an EndpointSlice of a namespace has changed."""
        for state in self._states.values():
            if state.backend.namespace == namespace:
                state.due, state.failures, state.marked = 0.0, 0, True
                self._wake.set()

    def described(self) -> list[tuple[Backend, Description | None, bool]]:
        """Return what is known: backend, its description, and whether that is stale."""
        return [(state.backend, state.described, state.stale) for state in self._states.values()]

    async def run(self) -> None:
        """Check what is due, until cancelled."""
        try:
            while True:
                now = clock.monotonic()
                for state in self._states.values():
                    if state.due <= now and not state.running:
                        state.running, state.marked = True, False
                        self._tasks.spawn(self._visit(state), f"check {state.backend.name}")
                await self._rest(now)
        finally:
            await self._tasks.close()

    async def _rest(self, now: float) -> None:
        waiting = [state.due for state in self._states.values() if not state.running]
        try:
            async with asyncio.timeout(max(0.0, min(waiting) - now) if waiting else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _visit(self, state: _State) -> None:
        """Check one, write its condition, learn what it serves."""
        try:
            finding = await self._finding(state.backend)
            passed = finding is conditions.PASSED
            await self._write(state.backend.name, finding)
            if passed:
                await self._describe(state)
            elif not state.stale:
                state.stale = True
                self._changed()
            state.failures = 0 if passed and not state.stale else state.failures + 1
        finally:
            state.running = False
            wait = min(_LONGEST_S, _FIRST_S * 2 ** min(state.failures, 10)) if state.failures else _AGAIN_S
            state.due = 0.0 if state.marked else clock.monotonic() + wait
            self._wake.set()

    async def _finding(self, backend: Backend) -> Finding:
        reference = {"name": backend.service, "namespace": backend.namespace, "port": backend.port}
        service = self._registry.cached(SERVICES, backend.namespace, backend.service)
        slices = self._registry.cached_by_label(
            ENDPOINTSLICES, SERVICE_NAME, backend.service, backend.namespace
        )
        finding = conditions.service_finding(reference, service, slices)
        if finding is not None:
            return finding
        try:
            await remote.check(self._connections, backend)
        except Failed as error:
            return conditions.failed_discovery(str(error))
        return conditions.PASSED

    async def _describe(self, state: _State) -> None:
        now = clock.monotonic()
        if not state.stale and now - state.described_at < _DESCRIBE_S:
            return
        before = (state.described, state.stale)
        try:
            state.described = await remote.describe_backend(self._connections, state.backend)
            state.described_at, state.stale = now, False
        except Failed as error:
            _log.info("a remote API is not described", name=state.backend.name, error=str(error))
            state.stale = True
        if before != (state.described, state.stale):
            self._changed()

    async def _write(self, name: str, finding: Finding) -> None:
        _unavailable.set(float(finding.status != "True"), (name,))
        now = format_time(clock.now())

        def change(found: Obj) -> Obj:
            return conditions.with_available(found, finding, now)

        present = self._registry.cached(APISERVICES, "", name)
        if present is None or change(present) is present:
            return
        try:
            await self._registry.update(APISERVICES, "", name, change, "status")
        except NotFound:
            return
        except StatusError as error:
            _log.warning("condition of an APIService not written", name=name, error=error.message)
