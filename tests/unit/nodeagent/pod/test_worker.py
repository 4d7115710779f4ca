"""Whole lives of pods on a virtual clock: the real workers on the hollow runtime, with a dictionary for the
API.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.errors import NotFound
from api.patch.strategic import apply_strategic
from kit import clock
from kit.tasks import Tasks
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.hollow.life import Defaults
from nodeagent.hollow.nothing import AlwaysWell, NoHooks, NothingToMount, NothingToRefer
from nodeagent.hollow.service import HollowService, HollowSettings
from nodeagent.images import ImageManager
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.edges import Edges, NodeSettings
from nodeagent.pod.manager import PodManager
from nodeagent.pod.pleg import Pleg
from nodeagent.pod.status import Verdict
from nodeagent.pod.status_writer import StatusWriter
from proto.gen.cri import runtime_v1_pb2 as cri

pytestmark = pytest.mark.looptime(start=0)
START = datetime(2026, 1, 1, tzinfo=UTC)


class LoopClock:
    def now(self):
        return START + timedelta(seconds=asyncio.get_running_loop().time())


class Probes(AlwaysWell):
    def __init__(self):
        self.verdicts = {}

    def result(self, pod_uid, container, kind):
        return self.verdicts.get((container, kind), True)


class World:
    """One node, and the API server's part: pods by name, every status written, every event."""

    def __init__(self, tasks, admit=lambda pod, others: None, defaults=None):
        self.tasks, self.pods, self.history, self.events, self.revision = tasks, {}, [], [], 1
        self.admit, self.probes = admit, Probes()
        self.service = HollowService(HollowSettings(defaults or Defaults()), tasks)
        self.service._state.pod_cidr = "10.1.0.0/24"
        self.agent_tasks = Tasks()
        self.down = False

    async def start_agent(self):
        """Start an agent that knows nothing, as after a restart."""
        await self.agent_tasks.close()
        self.agent_tasks = Tasks()
        runtime = InProcessRuntime(self.service)
        directory = PodDirectory()
        edges = Edges(
            runtime, NothingToMount(), NothingToRefer(), self.probes, NoHooks(), ImageManager(runtime), self,
            StatusWriter(self, self.agent_tasks), directory, NodeSettings("n", ("9.9.9.9",), virtual=True),
        )  # fmt: skip
        self.directory = directory
        self.manager = PodManager(edges, self.agent_tasks, self.admit)
        pleg = Pleg(runtime, self.manager)
        await pleg.relist()
        self.agent_tasks.spawn(pleg.run_events(), "events")
        self.agent_tasks.spawn(pleg.run_relist(), "relist")
        for pod in self.pods.values():
            self.manager.upsert(pod)
        self.manager.sources_synced()

    def event(self, obj, event_type, reason, message):
        self.events.append((obj["name"], reason, message))

    def reasons(self, name="p"):
        return [reason for who, reason, _ in self.events if who == name]

    async def patch(self, resource, name, namespace, body, *, kind, subresource):
        await clock.sleep(0.001)
        pod = self.pods.get(name)
        if pod is None or pod["metadata"]["uid"] != body["metadata"]["uid"]:
            raise NotFound(name)
        return self._store(apply_strategic(pod, {"status": body["status"]}, "io.k8s.api.core.v1.Pod"))

    async def delete(self, resource, name, namespace, *, grace_period_s, uid):
        pod = self.pods.pop(name)
        assert (grace_period_s, uid) == (0, pod["metadata"]["uid"])
        self.manager.remove(uid, pod)

    def _store(self, pod):
        self.revision += 1
        pod = {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(self.revision)}}
        self.pods[pod["metadata"]["name"]] = pod
        self.history.append(pod)
        self.manager.upsert(pod)
        return pod

    def create(self, name="p", annotations=None, metadata=None, **spec):
        base = {"name": name, "namespace": "d", "uid": f"uid-{name}", "generation": 1}
        base.update({"annotations": annotations or {}, **(metadata or {})})
        spec = {"containers": [{"name": "a", "image": "x:1"}], "restartPolicy": "Always", **spec}
        return self._store({"metadata": base, "spec": spec, "status": {"phase": "Pending"}})

    def ask_to_delete(self, name="p", grace=30):
        pod = self.pods[name]
        marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
        self._store({**pod, "metadata": {**pod["metadata"], **marks}})

    def status(self, name="p"):
        return self.pods[name]["status"]

    def container(self, name="p", index=0, key="containerStatuses"):
        return self.status(name)[key][index]

    @property
    def sandboxes(self):
        return self.service._state.sandboxes

    @property
    def containers(self):
        return self.service._state.containers


@pytest.fixture
async def world():
    with clock.use(LoopClock()):
        tasks = Tasks()
        world = World(tasks)
        await world.start_agent()
        yield world
        await world.agent_tasks.close()
        await tasks.close()


async def settle(seconds=1.0):
    await clock.sleep(seconds)


async def test_a_pod_becomes_running_and_ready(world):
    world.create()
    await settle()
    assert world.status()["phase"] == "Running"
    assert world.status()["podIP"] == "10.1.0.2"
    assert world.container()["ready"]
    assert world.reasons() == ["Pulled", "Created", "Started"]
    phases = [pod["status"]["phase"] for pod in world.history]
    assert phases == sorted(phases)


async def test_idle_pods_cause_no_writes(world):
    world.create()
    await settle()
    written = len(world.history)
    await settle(300)
    assert len(world.history) == written


async def test_a_crash_restarts_with_growing_delays(world):
    world.create(annotations={"hollow.pelamis.dev/exit-after": "1s", "hollow.pelamis.dev/exit-code": "3"})
    await settle(5)
    assert world.container()["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert world.container()["lastState"]["terminated"]["exitCode"] == 3
    assert world.container()["restartCount"] == 1
    message = world.container()["state"]["waiting"]["message"]
    assert message == "back-off 10s restarting failed container=a pod=p_d(uid-p)"
    await settle(60)
    starts = [one.started_at / 1e9 for one in world.containers.values()]
    assert starts[-1] - starts[-2] == pytest.approx(21, abs=0.5)
    assert "BackOff" in world.reasons()


async def test_only_two_attempts_are_kept(world):
    world.create(annotations={"hollow.pelamis.dev/exit-after": "1s"})
    await settle(200)
    assert world.container()["restartCount"] >= 4
    assert len(world.containers) <= 3


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", "0", "Succeeded"), ("Never", "1", "Failed"), ("OnFailure", "0", "Succeeded")],
)
async def test_pods_that_end(world, policy, code, phase):
    annotations = {"hollow.pelamis.dev/exit-after": "2s", "hollow.pelamis.dev/exit-code": code}
    world.create(annotations=annotations, restartPolicy=policy)
    await settle(5)
    assert world.status()["phase"] == phase
    assert not any(sandbox.ready for sandbox in world.sandboxes.values())
    assert len(world.containers) == 1


async def test_init_containers_and_sidecars_in_order(world):
    init = [
        {"name": "i1", "image": "x:1"},
        {"name": "side", "image": "x:1", "restartPolicy": "Always"},
        {"name": "i2", "image": "x:1"},
    ]
    world.create(annotations={"i1.hollow.pelamis.dev/exit-after": "2s"}, initContainers=init)
    await settle(1)
    assert world.status()["phase"] == "Pending"
    assert world.container()["state"]["waiting"]["reason"] == "PodInitializing"
    await settle(3)
    assert world.status()["phase"] == "Running"
    names = [one.config.metadata.name for one in world.containers.values()]
    assert names == ["i1", "side", "i2", "a"]


async def test_deletion_stops_reports_and_lets_go(world):
    world.create()
    await settle()
    world.ask_to_delete()
    await settle()
    assert world.pods == {}
    last = world.history[-1]["status"]
    assert last["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert last["phase"] == "Failed"
    assert not world.sandboxes
    assert not world.containers
    assert len(world.directory) == 0
    assert "Killing" in world.reasons()


async def test_a_pod_deleted_while_it_starts(world):
    world.service._settings = HollowSettings(Defaults(sandbox_delay_s=60))
    world.create()
    await settle()
    world.ask_to_delete(grace=0)
    await settle()
    assert world.pods == {}


async def test_a_pod_that_vanishes_is_cleaned_up(world):
    pod = world.create()
    await settle()
    del world.pods["p"]
    world.manager.remove(pod["metadata"]["uid"])
    await settle(3)
    assert not world.sandboxes


async def test_an_agent_restart_restarts_nothing(world):
    world.create()
    await settle()
    before, written = list(world.containers), len(world.history)
    await world.start_agent()
    await settle(100)
    assert list(world.containers) == before
    assert world.container()["restartCount"] == 0
    assert len(world.history) == written


async def test_orphans_end_when_the_sources_are_known(world):
    world.create()
    await settle()
    world.pods.clear()
    await world.start_agent()
    await settle(5)
    assert not world.sandboxes


async def test_a_container_that_was_never_started_goes_with_its_pod(world):
    """The agent was killed between making and starting a container, and the pod was deleted meanwhile."""
    world.create()
    await settle()
    for container in world.containers.values():
        container.state = cri.CONTAINER_CREATED
    world.pods.clear()
    await world.start_agent()
    await settle(5)
    assert not world.sandboxes
    assert not world.containers


async def test_liveness_failure_restarts_the_container(world):
    world.create(containers=[{"name": "a", "image": "x:1", "livenessProbe": {"exec": {}}}])
    await settle()
    first = next(iter(world.containers))
    world.probes.verdicts[("a", "liveness")] = False
    world.manager.wake("uid-p")
    await clock.sleep(0.0005)
    world.probes.verdicts.clear()
    await settle(2)
    assert world.container()["restartCount"] == 1
    assert world.container()["containerID"] != f"containerd://{first}"
    assert any("failed liveness probe, will be restarted" in text for _, _, text in world.events)


async def test_readiness_follows_the_probe(world):
    world.create(containers=[{"name": "a", "image": "x:1", "readinessProbe": {"exec": {}}}])
    world.probes.verdicts[("a", "readiness")] = False
    await settle()
    assert not world.container()["ready"]
    world.probes.verdicts.clear()
    world.manager.wake("uid-p")
    await settle()
    assert world.container()["ready"]


async def test_deadline_ends_the_pod(world):
    world.create(activeDeadlineSeconds=5)
    await settle(3)
    assert world.status()["phase"] == "Running"
    await settle(4)
    assert (world.status()["phase"], world.status()["reason"]) == ("Failed", "DeadlineExceeded")
    assert not any(sandbox.ready for sandbox in world.sandboxes.values())


async def test_a_dead_sandbox_is_replaced(world):
    world.create()
    await settle()
    sandbox = next(iter(world.sandboxes.values()))
    for container in list(world.containers.values()):
        world.service._end(container, 137)
    sandbox.ready = False
    world.manager.wake("uid-p")
    await settle(2)
    assert world.status()["phase"] == "Running"
    assert world.container()["restartCount"] == 1
    assert [one.config.metadata.attempt for one in world.sandboxes.values() if one.ready] == [1]


async def test_a_rejected_pod_never_starts(world):
    world.admit = lambda pod, others: Verdict("NodePorts", "Predicate NodePorts failed")
    await world.start_agent()
    world.create()
    await settle()
    assert world.status()["phase"] == "Failed"
    assert world.status()["message"] == "Pod was rejected: Predicate NodePorts failed"
    assert not world.sandboxes
    world.ask_to_delete(grace=0)
    await settle()
    assert world.pods == {}


async def test_a_phase_set_by_others_is_not_flipped_back(world):
    world.create()
    await settle()
    pod = world.pods["p"]
    world._store({**pod, "status": {**pod["status"], "phase": "Failed", "reason": "Evicted"}})
    await settle(3)
    assert (world.status()["phase"], world.status()["reason"]) == ("Failed", "Evicted")
    assert not any(sandbox.ready for sandbox in world.sandboxes.values())


async def test_less_grace_hurries_a_deletion(world):
    world.service._settings = HollowSettings(Defaults(stop_delay_s=600))
    world.create()
    await settle()
    world.ask_to_delete(grace=100)
    await settle(5)
    assert "p" in world.pods
    world.ask_to_delete(grace=0)
    await settle(1)
    assert world.pods == {}


async def test_observed_generation_follows(world):
    pod = world.create()
    await settle()
    world._store({**world.pods["p"], "metadata": {**pod["metadata"], "generation": 9}})
    await settle()
    assert world.status()["observedGeneration"] == 9


async def test_many_pods_end_up_running(world):
    for number in range(50):
        world.create(f"p{number}")
    await settle(3)
    assert {pod["status"]["phase"] for pod in world.pods.values()} == {"Running"}
    assert len({pod["status"]["podIP"] for pod in world.pods.values()}) == 50


def asking(millicores):
    return {"name": "a", "image": "x", "resources": {"requests": {"cpu": f"{millicores}m"}}}


async def test_a_pod_whose_object_is_gone_holds_nothing_against_the_next():
    with clock.use(LoopClock()):
        tasks, others = Tasks(), []
        slow = Defaults(stop_delay_s=20.0)
        world = World(tasks, admit=lambda pod, active: others.append(list(active)), defaults=slow)
        await world.start_agent()
        world.create("first", containers=[asking(1)])
        await settle()
        world.create("second", containers=[asking(2)])
        await settle()
        world.manager.remove("uid-first", world.pods.pop("first"))
        world.create("third", containers=[asking(3)])
        assert [[dict(one.requests)["cpu"] for one in active] for active in others] == [[], [1], [2]]
        assert world.directory.get("uid-first")
        await world.agent_tasks.close()
        await tasks.close()
