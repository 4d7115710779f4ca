"""Tables of spec + observation -> actions, in the order of a pod's life."""

from datetime import UTC, datetime, timedelta

import pytest

from nodeagent.pod.actions import IDLE, Kill, PodActions, Situation, Start, Wait, compute_actions
from nodeagent.pod.backoff import BackOff, Entry
from nodeagent.pod.hash import spec_hash
from nodeagent.pod.observed import ContainerObserved, PodObserved, SandboxObserved, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY, DEAD = SandboxObserved("s0", True), SandboxObserved("s0", False)


def container(name, **more):
    return {"name": name, "image": "busybox", **more}


def pod(*containers, init=(), policy="Always", ephemeral=()):
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "u"},
        "spec": {
            "restartPolicy": policy,
            "containers": list(containers) or [container("a")],
            "initContainers": list(init),
            "ephemeralContainers": list(ephemeral),
        },
    }


def seen(name, state=State.RUNNING, code=0, **more):
    values = {
        "id": f"id-{name}",
        "sandbox_id": "s0",
        "exit_code": code,
        "spec_hash": spec_hash(container(name)),
        "finished_at": NOW if state is State.EXITED else None,
        **more,
    }
    return ContainerObserved(name=name, state=state, **values)


def exited(name, code=0, **more):
    return seen(name, State.EXITED, code, **more)


def on(sandbox, *containers):
    return PodObserved((sandbox,) if sandbox else (), containers)


SIDE = container("side", restartPolicy="Always")
I1, I2 = container("i1"), container("i2")


@pytest.mark.parametrize(
    ("spec", "observed", "situation", "expected"),
    [
        pytest.param(pod(), on(None), Situation(), PodActions(0), id="nothing-there-makes-a-sandbox"),
        pytest.param(pod(), on(DEAD, exited("a")), Situation(), PodActions(1), id="dead-sandbox-is-replaced"),
        pytest.param(
            pod(), on(DEAD, seen("a")), Situation(), PodActions(kill_pod=True), id="leftovers-die-first"
        ),
        pytest.param(
            pod(policy="Never"), on(DEAD, exited("a")), Situation(), IDLE, id="never-gets-no-second-sandbox"
        ),
        pytest.param(
            pod(policy="OnFailure"), on(DEAD, exited("a")), Situation(), IDLE, id="success-needs-no-sandbox"
        ),
        pytest.param(
            pod(policy="OnFailure"),
            on(DEAD, exited("a", 1)),
            Situation(),
            PodActions(1),
            id="failure-needs-one",
        ),
        pytest.param(
            pod(), on(READY), Situation(), PodActions(starts=(Start("a", 0),)), id="start-the-container"
        ),
        pytest.param(
            pod(container("a"), container("b")),
            on(READY, seen("a")),
            Situation(busy=frozenset({"b"})),
            IDLE,
            id="busy-is-left-alone",
        ),
        pytest.param(pod(), on(READY, seen("a")), Situation(), IDLE, id="running-is-well"),
        pytest.param(
            pod(),
            on(READY, exited("a", 1, restarts=2)),
            Situation(),
            PodActions(starts=(Start("a", 3),)),
            id="restart-counts-up",
        ),
        pytest.param(
            pod(),
            on(READY),
            Situation(restarts={"a": 4}),
            PodActions(starts=(Start("a", 5),)),
            id="count-goes-on-if-the-runtime-lost-it",
        ),
        pytest.param(
            pod(),
            on(READY, exited("a", 1)),
            Situation(backoff=BackOff(entries={"a": Entry(10, NOW - timedelta(seconds=1))})),
            PodActions(waits=(Wait("a", 10, 10),)),
            id="crash-waits",
        ),
        pytest.param(
            pod(policy="Never"),
            on(READY, exited("a", 1)),
            Situation(),
            PodActions(kill_pod=True),
            id="never-is-over",
        ),
        pytest.param(
            pod(policy="OnFailure"),
            on(READY, exited("a")),
            Situation(),
            PodActions(kill_pod=True),
            id="success-is-over",
        ),
        pytest.param(
            pod(container("a"), container("b"), policy="Never"),
            on(READY, exited("a"), seen("b")),
            Situation(),
            IDLE,
            id="others-still-run",
        ),
        pytest.param(
            pod(),
            on(READY, seen("a")),
            Situation(failed_probes={"a": "liveness"}),
            PodActions(
                kills=(Kill("id-a", "a", "Container a failed liveness probe, will be restarted", "liveness"),)
            ),
            id="liveness-kills",
        ),
        pytest.param(
            pod(policy="Never"),
            on(READY, seen("a")),
            Situation(failed_probes={"a": "startup"}),
            PodActions(kills=(Kill("id-a", "a", "Container a failed startup probe", "startup"),)),
            id="startup-kills-for-good-under-never",
        ),
        pytest.param(
            pod({"name": "a", "image": "new"}),
            on(READY, seen("a")),
            Situation(),
            PodActions(
                kills=(Kill("id-a", "a", "Container a definition changed, will be restarted", "changed"),)
            ),
            id="new-image-kills",
        ),
        pytest.param(
            pod(init=[I1, I2]),
            on(READY),
            Situation(),
            PodActions(starts=(Start("i1", 0),)),
            id="first-init-first",
        ),
        pytest.param(pod(init=[I1, I2]), on(READY, seen("i1")), Situation(), IDLE, id="init-runs"),
        pytest.param(
            pod(init=[I1, I2]),
            on(READY, exited("i1")),
            Situation(),
            PodActions(starts=(Start("i2", 0),)),
            id="second-init-next",
        ),
        pytest.param(
            pod(init=[I1]),
            on(READY, exited("i1")),
            Situation(),
            PodActions(starts=(Start("a", 0),)),
            id="then-the-containers",
        ),
        pytest.param(
            pod(init=[I1]),
            on(READY, exited("i1", 1)),
            Situation(),
            PodActions(starts=(Start("i1", 1),)),
            id="failed-init-again",
        ),
        pytest.param(
            pod(init=[I1], policy="Never"),
            on(READY, exited("i1", 1)),
            Situation(),
            PodActions(kill_pod=True),
            id="failed-init-ends-a-never-pod",
        ),
        pytest.param(
            pod(init=[I1]),
            on(SandboxObserved("s1", True, 1), exited("i1"), exited("a", 137)),
            Situation(),
            PodActions(starts=(Start("i1", 1),)),
            id="new-sandbox-initialises-again",
        ),
        pytest.param(
            pod(init=[SIDE, I1]),
            on(READY),
            Situation(),
            PodActions(starts=(Start("side", 0),)),
            id="sidecar-in-order",
        ),
        pytest.param(
            pod(init=[SIDE, I1]), on(READY, seen("side")), Situation(), IDLE, id="sidecar-not-started-yet"
        ),
        pytest.param(
            pod(init=[SIDE, I1]),
            on(READY, seen("side")),
            Situation(started=frozenset({"side"})),
            PodActions(starts=(Start("i1", 0),)),
            id="sidecar-started-unblocks",
        ),
        pytest.param(
            pod(init=[SIDE]),
            on(READY, exited("side", 1), seen("a")),
            Situation(),
            PodActions(starts=(Start("side", 1),)),
            id="sidecar-restarts-beside-the-others",
        ),
        pytest.param(
            pod(init=[SIDE], policy="Never"),
            on(READY, seen("side"), exited("a")),
            Situation(started=frozenset({"side"})),
            PodActions(kill_pod=True),
            id="sidecar-alone-keeps-no-pod",
        ),
        pytest.param(
            pod(ephemeral=[container("debug")]),
            on(READY, seen("a")),
            Situation(),
            PodActions(starts=(Start("debug", 0),)),
            id="ephemeral-starts",
        ),
        pytest.param(
            pod(ephemeral=[container("debug")]),
            on(READY, seen("a"), exited("debug", 1)),
            Situation(),
            IDLE,
            id="ephemeral-never-again",
        ),
        pytest.param(
            pod(
                container(
                    "a",
                    restartPolicyRules=[
                        {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
                    ],
                ),
                policy="Never",
            ),
            on(READY, exited("a", 42)),
            Situation(),
            PodActions(starts=(Start("a", 1),)),
            id="restart-rule-beats-never",
        ),
    ],
)
def test_compute_actions(spec, observed, situation, expected):
    assert compute_actions(spec, observed, situation, NOW) == expected
