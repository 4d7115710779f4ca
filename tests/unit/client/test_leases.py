"""Leader election in virtual time over leases in a dictionary."""

import asyncio
from pathlib import Path
from typing import Any

import looptime  # noqa: F401 - the marker's plugin
import pytest

from api.errors import AlreadyExists, Conflict, NotFound
from client.api import Client
from client.leases import LeaderElector, LeadershipLost, run_as_leader
from client.transport import RawRequest, RawResponse, Unreachable
from kit import clock
from scheduler.config import Config

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Leases(Client):
    """Keeps one lease, with optimistic concurrency."""

    def __init__(self) -> None:
        super().__init__(self)  # type: ignore[arg-type]
        self.lease: dict[str, Any] | None = None
        self.down = False

    async def request(self, request: RawRequest, *args: Any, **kwargs: Any) -> RawResponse:  # type: ignore[override]
        raise AssertionError("not used")

    def _check(self) -> None:
        if self.down:
            raise Unreachable("down")

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        self._check()
        if self.lease is None:
            raise NotFound("no lease")
        return self.lease

    async def create(self, resource: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        self._check()
        if self.lease is not None:
            raise AlreadyExists("there")
        self.lease = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}
        return self.lease

    async def update(self, resource: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        self._check()
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if obj["metadata"]["resourceVersion"] != version:
            raise Conflict("stale")
        self.lease = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(int(version) + 1)}}
        return self.lease


class Worker:
    def __init__(self, client: Leases, identity: str) -> None:
        self.started_at: float | None = None
        elector = LeaderElector(client)
        self.task = asyncio.ensure_future(elector.run(self._work, identity, "lease", "kube-system"))

    async def _work(self) -> None:
        self.started_at = clock.monotonic()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_one_at_a_time_and_handing_over_at_once() -> None:
    client = Leases()
    first = Worker(client, "one")
    await clock.sleep(1)
    second = Worker(client, "two")
    await clock.sleep(60)
    assert (first.started_at is None, second.started_at is None) == (False, True)
    await first.stop()
    stopped = clock.monotonic()
    await clock.sleep(10)
    assert second.started_at is not None
    assert second.started_at - stopped < 5
    assert client.lease is not None
    assert client.lease["spec"]["leaseTransitions"] == 1
    await second.stop()


async def test_a_dead_leader_is_replaced_after_the_lease_time() -> None:
    client = Leases()
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": "2020-01-01T00:00:00.000000Z"}
    client.lease = {"metadata": {"name": "lease", "resourceVersion": "1"}, "spec": spec}
    begun = clock.monotonic()
    worker = Worker(client, "two")
    await clock.sleep(30)
    assert worker.started_at is not None
    assert 15 <= worker.started_at - begun < 21
    await worker.stop()


async def test_a_leader_that_cannot_renew_stops() -> None:
    client = Leases()
    worker = Worker(client, "one")
    await clock.sleep(1)
    client.down = True
    begun = clock.monotonic()
    with pytest.raises(LeadershipLost):
        await worker.task
    assert clock.monotonic() - begun == pytest.approx(10, abs=4)


@pytest.mark.parametrize("leader_elect", [pytest.param(True, id="elected"), pytest.param(False, id="alone")])
async def test_a_component_works_with_its_lease_or_without_one(leader_elect: bool) -> None:
    client = Leases()
    done = []

    async def work() -> None:
        done.append(client.lease is not None)

    await run_as_leader(client, Config(Path("k"), leader_elect=leader_elect), work)
    assert done == [leader_elect]
