"""The probes' driver on virtual time: when it probes, and what it reports."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kit import clock
from nodeagent.cri.client import ExecResult
from nodeagent.cri.errors import CRIError
from nodeagent.probes.hooks import HookError, Hooks
from nodeagent.probes.manager import ContainerState, ProbeManager

START = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.looptime


class Container:
    """A runtime whose commands end as the test says; remembers when they ran."""

    def __init__(self):
        self.exit_code = 0
        self.times = {}

    async def exec_sync(self, container_id, command, timeout_s=0.0):
        self.times.setdefault(command[0], []).append(round(asyncio.get_running_loop().time(), 3))
        if self.exit_code is None:
            raise CRIError("too slow", "DEADLINE_EXCEEDED")
        return ExecResult(b"out", b"", self.exit_code)


class Events(list):
    def event(self, obj, event_type, reason, message):
        self.append((obj["fieldPath"], event_type, reason, message))


class Clock:
    def now(self):
        return START + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.fixture
async def node():
    changes: list[str] = []
    runtime, events = Container(), Events()
    manager = ProbeManager(runtime, changes.append, events)
    with clock.use(Clock()):
        yield runtime, events, changes, manager
        await manager.close()


def pod(**probes):
    container = {"name": "c", **{f"{kind}Probe": probe for kind, probe in probes.items()}}
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"containers": [container]}}


def probe(word, **numbers):
    return {"exec": {"command": [word]}, **numbers}


RUNNING = {"c": ContainerState("id-1", START, True)}


async def test_readiness_waits_for_its_delay_and_repeats(node):
    runtime, events, changes, manager = node
    manager.sync(pod(readiness=probe("ready", initialDelaySeconds=15, periodSeconds=5)), RUNNING)
    assert manager.result("u", "c", "readiness") is False
    await asyncio.sleep(14.9)
    assert runtime.times == {}
    await asyncio.sleep(11)
    assert runtime.times == {"ready": [15, 20, 25]}
    assert manager.result("u", "c", "readiness") is True
    assert changes == ["u"]
    assert events == []


async def test_failures_are_told_and_counted(node):
    runtime, events, changes, manager = node
    runtime.exit_code = 1
    manager.sync(pod(liveness=probe("live", periodSeconds=1, failureThreshold=2)), RUNNING)
    await asyncio.sleep(0.5)
    assert manager.result("u", "c", "liveness") is True
    await asyncio.sleep(10)
    assert manager.result("u", "c", "liveness") is False
    assert runtime.times == {"live": [0, 1]}
    assert changes == ["u"]
    assert events[0] == ("spec.containers{c}", "Warning", "Unhealthy", "Liveness probe failed: out")


async def test_startup_gates_the_others(node):
    runtime, _, changes, manager = node
    runtime.exit_code = 1
    manager.sync(
        pod(startup=probe("start", periodSeconds=2), liveness=probe("live"), readiness=probe("ready")),
        RUNNING,
    )
    await asyncio.sleep(3)
    assert runtime.times == {"start": [0, 2]}
    runtime.exit_code = 0
    await asyncio.sleep(3)
    assert runtime.times == {"start": [0, 2, 4], "live": [4], "ready": [4]}
    assert [manager.result("u", "c", kind) for kind in ("startup", "liveness", "readiness")] == [True] * 3
    assert changes == ["u", "u"]


async def test_a_new_attempt_begins_anew(node):
    runtime, _, _, manager = node
    spec = pod(readiness=probe("ready"))
    manager.sync(spec, RUNNING)
    await asyncio.sleep(1)
    assert manager.result("u", "c", "readiness") is True
    manager.sync(spec, {"c": ContainerState("id-2", START, True)})
    assert manager.result("u", "c", "readiness") is False
    manager.sync(spec, {"c": ContainerState("id-2", START, False)})
    assert manager.result("u", "c", "readiness") is None
    await asyncio.sleep(60)
    assert runtime.times == {"ready": [0]}


async def test_what_an_earlier_agent_knew(node):
    _, _, _, manager = node
    state = ContainerState("id-1", START, True, ready=True, started=True)
    manager.sync(pod(startup=probe("start"), readiness=probe("ready")), {"c": state})
    assert manager.result("u", "c", "startup") is True
    assert manager.result("u", "c", "readiness") is True


async def test_forget(node):
    runtime, _, _, manager = node
    manager.sync(pod(readiness=probe("ready")), RUNNING)
    manager.forget("u")
    await asyncio.sleep(60)
    assert runtime.times == {}


async def test_a_pod_that_ends_is_not_killed_for_its_health(node):
    runtime, _, _, manager = node
    ending = pod(liveness=probe("live"), readiness=probe("ready"))
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    manager.sync(ending, RUNNING)
    await asyncio.sleep(1)
    assert runtime.times == {"ready": [0]}


async def test_timeouts_are_failures(node):
    runtime, events, _, manager = node
    runtime.exit_code = None
    manager.sync(pod(liveness=probe("live", failureThreshold=1)), RUNNING)
    await asyncio.sleep(1)
    assert manager.result("u", "c", "liveness") is False
    assert events[0][3] == 'Liveness probe failed: command timed out: "live" timed out after 1s'


async def test_hooks():
    runtime = Container()
    hooks = Hooks(runtime)
    target = pod()
    container = target["spec"]["containers"][0]
    await hooks.run(target, container, "id", {"exec": {"command": ["x"]}})
    runtime.exit_code = 3
    with pytest.raises(HookError, match="exited with 3"):
        await hooks.run(target, container, "id", {"exec": {"command": ["x"]}})
    before = asyncio.get_running_loop().time()
    await hooks.run(target, container, "id", {"sleep": {"seconds": 7}})
    assert asyncio.get_running_loop().time() - before == 7
    with pytest.raises(HookError, match="did not end within 2s"):
        await hooks.run(target, container, "id", {"sleep": {"seconds": 7}}, timeout_s=2)
    await hooks.close()
