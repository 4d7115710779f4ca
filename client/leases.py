"""Leader election by a Lease: of several processes with the same lease name, one works at a time.

    elector = LeaderElector(client)
    await elector.run(work, identity="host_1234", name="kube-controller-manager", namespace="kube-system")

    follower --lease free, expired, or ours--> leader --renewed every 2 s--> leader
                                                 |--not renewed for 10 s--> LeadershipLost (end the process)
                                                 +--cancelled--> work is cancelled, the lease is given back

Whether another's lease has expired is judged by our own clock since its last change, so skew does no harm.
Source: k8s.io/client-go/tools/leaderelection (1.36).
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

from api.errors import AlreadyExists, NotFound, StatusError
from api.resource import Obj
from api.types.coordination_v1 import LEASES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log, rand
from kit.tasks import Tasks

_log = log.get("client.leases")
_JITTER = 1.2


class LeadershipLost(Exception):
    """The lease could not be renewed in time: somebody else may be leader."""


@dataclass(frozen=True)
class Timing:
    """`lease_s` > `renew_s` > `retry_s`: how long a lease counts, how long a leader tries, how often."""

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = 2.0


class Election(Protocol):
    """What the settings of a component say about its lease; the flags bear upstream's names."""

    @property
    def leader_elect(self) -> bool: ...

    @property
    def leader_elect_lease_duration_s(self) -> float: ...

    @property
    def leader_elect_renew_deadline_s(self) -> float: ...

    @property
    def leader_elect_retry_period_s(self) -> float: ...

    @property
    def leader_elect_resource_name(self) -> str: ...

    @property
    def leader_elect_resource_namespace(self) -> str: ...


async def run_as_leader(client: Client, election: Election, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work of a component while its lease is held, or at once if it needs none.

    Raises `LeadershipLost`, and whatever `work` raises.
    """
    if not election.leader_elect:
        await work()
        return
    timing = Timing(
        election.leader_elect_lease_duration_s,
        election.leader_elect_renew_deadline_s,
        election.leader_elect_retry_period_s,
    )
    identity = f"{socket.gethostname()}_{os.getpid()}_{rand.suffix()}"
    await LeaderElector(client, timing).run(
        work, identity, election.leader_elect_resource_name, election.leader_elect_resource_namespace
    )


class LeaderElector:
    def __init__(self, client: Client, timing: Timing | None = None) -> None:
        self._client = client
        self._timing = timing or Timing()
        self._identity = ""
        self._name = ""
        self._namespace = ""
        # The lease as last seen, and the loop's time when it was first seen like that.
        self._observed: Obj | None = None
        self._observed_at = 0.0
        self.is_leader = False

    async def run(
        self, on_started: Callable[[], Awaitable[None]], identity: str, name: str, namespace: str
    ) -> None:
        """Wait for the lease, then run `on_started` while it is held; return when that returns.

        Raises `LeadershipLost`, and whatever `on_started` raises. Cancelling it gives the lease back.
        """
        self._identity, self._name, self._namespace = identity, name, namespace
        while not await self._attempt():
            await clock.sleep(rand.jitter(self._timing.retry_s, _JITTER))
        self.is_leader = True
        _log.info("became leader", lease=f"{namespace}/{name}", identity=identity)
        try:
            await self._lead(on_started)
        finally:
            self.is_leader = False
            await self._release()

    async def _lead(self, on_started: Callable[[], Awaitable[None]]) -> None:
        async def work() -> None:
            await on_started()

        tasks = Tasks()
        try:
            working = tasks.spawn(work(), "leader's work")
            renewing = tasks.spawn(self._renew(), "lease renewal")
            done, _ = await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tasks.close()
        if working not in done:
            raise LeadershipLost(f"lease {self._namespace}/{self._name} was not renewed in time")
        working.result()

    async def _renew(self) -> None:
        """Return when the lease is lost."""
        last = clock.monotonic()
        while clock.monotonic() - last < self._timing.renew_s:
            await clock.sleep(self._timing.retry_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.1, self._timing.renew_s - (clock.monotonic() - last))):
                    if await self._attempt():
                        last = clock.monotonic()

    async def _attempt(self) -> bool:
        """Try once to take or to renew the lease."""
        try:
            return await self._acquire()
        except (StatusError, Unreachable) as error:
            _log.debug("lease not taken", lease=f"{self._namespace}/{self._name}", error=str(error))
            return False

    async def _acquire(self) -> bool:
        now = clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            lease: Any = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._create(now)
        self._observe(lease)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and self._is_valid(spec):
            return False
        changed = {**spec, **self._spec(now)}
        if holder == self._identity:
            changed["acquireTime"] = spec.get("acquireTime", now)
        else:
            changed["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        self._observe(await self._client.update(LEASES, {**lease, "spec": changed}, self._namespace))
        return True

    async def _create(self, now: str) -> bool:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**self._spec(now), "leaseTransitions": 0},
        }
        try:
            self._observe(await self._client.create(LEASES, lease, self._namespace))
        except AlreadyExists:
            return False
        return True

    def _spec(self, now: str) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, int(self._timing.lease_s)),
            "acquireTime": now,
            "renewTime": now,
        }

    def _observe(self, lease: Any) -> None:
        if self._observed is None or self._observed.get("spec") != lease.get("spec"):
            self._observed, self._observed_at = dict(lease), clock.monotonic()

    def _is_valid(self, spec: dict[str, Any]) -> bool:
        duration = float(spec.get("leaseDurationSeconds") or self._timing.lease_s)
        return clock.monotonic() < self._observed_at + duration

    async def _release(self) -> None:
        """Give the lease back, so that the next leader need not wait; failing does no harm."""
        with suppress(StatusError, Unreachable, TimeoutError):
            async with asyncio.timeout(2.0):
                lease: Any = await self._client.get(LEASES, self._name, self._namespace)
                spec = lease.get("spec") or {}
                if spec.get("holderIdentity") == self._identity:
                    freed = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.update(LEASES, {**lease, "spec": freed}, self._namespace)
