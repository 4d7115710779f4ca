"""Tables of observation -> status: phases, conditions and container states in upstream's words."""

from datetime import UTC, datetime

import pytest

from nodeagent.pod.container_status import Knowledge, Waiting, container_statuses
from nodeagent.pod.observed import ContainerObserved, PodObserved, SandboxObserved, State
from nodeagent.pod.status import (
    NodeAddresses,
    Verdict,
    compute_status,
    rejected_status,
    status_patch,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLY = datetime(2026, 1, 1, 11, tzinfo=UTC)
READY = SandboxObserved("s0", True, ips=("10.1.0.5",))
STOPPED = SandboxObserved("s0", False, ips=("10.1.0.5",))
NODE = NodeAddresses(("192.168.0.2",))


def container(name, **more):
    return {"name": name, "image": "busybox", **more}


def pod(*containers, init=(), policy="Always", status=None, **metadata):
    spec = {"restartPolicy": policy, "containers": list(containers) or [container("a")]}
    if init:
        spec["initContainers"] = list(init)
    base = {"name": "p", "namespace": "d", "uid": "u", "generation": 3}
    return {"metadata": {**base, **metadata}, "spec": spec, "status": status or {}}


def seen(name, state=State.RUNNING, code=0, **more):
    return ContainerObserved(f"id-{name}", name, state, exit_code=code, started_at=EARLY, **more)


def exited(name, code=0, **more):
    return seen(name, State.EXITED, code, finished_at=NOW, **more)


def compute(spec, *containers, sandbox=READY, known=None, verdict=None):
    observed = PodObserved((sandbox,) if sandbox else (), containers)
    return compute_status(spec, observed, known or Knowledge(), NODE, NOW, verdict)


def condition(status, kind):
    one = next(item for item in status["conditions"] if item["type"] == kind)
    return {key: one[key] for key in ("status", "reason", "message") if key in one}


SIDE = container("side", restartPolicy="Always")
ENDED = Knowledge(ended=True)


@pytest.mark.parametrize(
    ("spec", "containers", "known", "phase"),
    [
        pytest.param(pod(), [], None, "Pending", id="nothing-yet"),
        pytest.param(pod(), [seen("a")], None, "Running", id="running"),
        pytest.param(pod(container("a"), container("b")), [seen("a")], None, "Pending", id="one-still-waits"),
        pytest.param(pod(), [exited("a")], None, "Running", id="always-restarts"),
        pytest.param(pod(policy="Never"), [exited("a")], None, "Succeeded", id="never-well"),
        pytest.param(pod(policy="Never"), [exited("a", 1)], None, "Failed", id="never-badly"),
        pytest.param(pod(policy="OnFailure"), [exited("a")], None, "Succeeded", id="on-failure-well"),
        pytest.param(pod(policy="OnFailure"), [exited("a", 1)], None, "Running", id="on-failure-again"),
        pytest.param(
            pod(container("a"), container("b"), policy="Never"),
            [exited("a", 1), seen("b")],
            None,
            "Running",
            id="another-runs",
        ),
        pytest.param(pod(init=[container("i")]), [seen("i")], None, "Pending", id="init-runs"),
        pytest.param(
            pod(init=[container("i")], policy="Never"), [exited("i", 1)], None, "Failed", id="init-failed"
        ),
        pytest.param(pod(init=[container("i")]), [exited("i", 1)], None, "Pending", id="init-again"),
        pytest.param(pod(init=[SIDE]), [], None, "Pending", id="sidecar-not-started"),
        pytest.param(
            pod(init=[SIDE], policy="Never"),
            [seen("side"), exited("a")],
            None,
            "Running",
            id="sidecar-still-runs",
        ),
        pytest.param(pod(), [exited("a")], ENDED, "Succeeded", id="ended-well"),
        pytest.param(pod(), [exited("a", 137)], ENDED, "Failed", id="ended-by-kill"),
        pytest.param(pod(), [], ENDED, "Failed", id="ended-before-it-began"),
        pytest.param(pod(status={"phase": "Failed"}), [seen("a")], None, "Failed", id="an-ended-phase-stays"),
    ],
)
def test_phase(spec, containers, known, phase):
    assert compute(spec, *containers, known=known)["phase"] == phase


def test_crash_loop_shows_why_and_what_happened():
    known = Knowledge({"a": Waiting("CrashLoopBackOff", "back-off 10s")})
    one = compute(pod(), exited("a", 7, restarts=2), known=known)["containerStatuses"][0]
    assert one["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert one["lastState"]["terminated"]["exitCode"] == 7
    assert one["restartCount"] == 2
    assert not one["ready"]


def test_running_keeps_how_the_last_attempt_ended():
    one = compute(pod(), seen("a", restarts=1), exited("a", 3))["containerStatuses"][0]
    assert "running" in one["state"]
    assert one["lastState"]["terminated"]["reason"] == "Error"
    assert one["containerID"] == "containerd://id-a"


@pytest.mark.parametrize(
    ("code", "reason", "shown"),
    [(0, "", "Completed"), (1, "", "Error"), (137, "OOMKilled", "OOMKilled")],
    ids=["well", "badly", "oom"],
)
def test_terminated_reason(code, reason, shown):
    status = compute(pod(policy="Never"), exited("a", code, reason=reason, message="bye"))
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["message"]) == (shown, "bye")


def test_waiting_reasons_before_the_start():
    assert compute(pod())["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"
    status = compute(pod(init=[container("i1"), container("i2")]), exited("i1", 1))
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert status["initContainerStatuses"][1]["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_restart_count_never_falls():
    old = {"containerStatuses": [{"name": "a", "restartCount": 5}]}
    assert compute(pod(status=old), seen("a"))["containerStatuses"][0]["restartCount"] == 5


def test_a_container_that_vanished_before_the_end_is_unknown():
    old = {"containerStatuses": [{"name": "a", "state": {"running": {}}, "containerID": "containerd://x"}]}
    state = compute(pod(status=old), known=ENDED)["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (137, "ContainerStatusUnknown")


def test_post_start_hook_holds_back_running():
    known = Knowledge(in_hook=frozenset({"a"}))
    one = compute(pod(), seen("a"), known=known)["containerStatuses"][0]
    assert one["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert not one["ready"]


@pytest.mark.parametrize(
    ("verdicts", "ready", "started"),
    [
        pytest.param({}, False, False, id="no-result-yet"),
        pytest.param({"startup": True}, False, True, id="started-not-ready"),
        pytest.param({"startup": True, "readiness": True}, True, True, id="both"),
        pytest.param({"readiness": True}, False, False, id="readiness-waits-for-startup"),
    ],
)
def test_probes_decide(verdicts, ready, started):
    spec = pod(container("a", readinessProbe={"exec": {}}, startupProbe={"exec": {}}))
    known = Knowledge(probe=lambda _name, kind: verdicts.get(kind))
    one = compute(spec, seen("a"), known=known)["containerStatuses"][0]
    assert (one["ready"], one["started"]) == (ready, started)


def test_conditions_of_a_running_pod():
    status = compute(pod(), seen("a"))
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
        assert condition(status, kind) == {"status": "True"}
    assert all(one["observedGeneration"] == 3 for one in status["conditions"])
    assert status["observedGeneration"] == 3


@pytest.mark.parametrize(
    ("containers", "names"),
    [([exited("i1", 1)], "i1 i2"), ([exited("i1"), exited("i2", 1)], "i2")],
    ids=["first", "second"],
)
def test_incomplete_init_containers_are_named(containers, names):
    status = compute(pod(init=[container("i1"), container("i2")]), *containers)
    assert condition(status, "Initialized") == {
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{names}]",
    }


def test_unready_containers_are_named():
    status = compute(pod(container("a", readinessProbe={"exec": {}}), container("b")), seen("a"), seen("b"))
    expected = {
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [a]",
    }
    assert condition(status, "Ready") == condition(status, "ContainersReady") == expected


@pytest.mark.parametrize(("code", "reason"), [(0, "PodCompleted"), (1, "PodFailed")], ids=["well", "badly"])
def test_ended_pods_are_not_ready(code, reason):
    status = compute(pod(policy="Never"), exited("a", code), sandbox=STOPPED)
    assert condition(status, "Ready") == {"status": "False", "reason": reason}
    assert condition(status, "PodReadyToStartContainers") == {"status": "False"}


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ([], 'corresponding condition of pod readiness gate "x/y" does not exist.'),
        (
            [{"type": "x/y", "status": "False"}],
            'the status of pod readiness gate "x/y" is not "True", but False',
        ),
    ],
    ids=["absent", "false"],
)
def test_readiness_gates(gate, message):
    spec = pod(status={"conditions": gate})
    spec["spec"]["readinessGates"] = [{"conditionType": "x/y"}]
    assert condition(compute(spec, seen("a")), "Ready")["message"] == message


def test_transition_time_moves_only_with_the_status():
    old = compute(pod(), seen("a"))
    for one in old["conditions"]:
        one["lastTransitionTime"] = "2025-01-01T00:00:00Z"
    new = compute(pod(container("a"), status=old), exited("a", 1))
    times = {one["type"]: one["lastTransitionTime"] for one in new["conditions"]}
    assert times["PodScheduled"] == "2025-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T12:00:00Z"


def test_foreign_conditions_survive():
    spec = pod(status={"conditions": [{"type": "DisruptionTarget", "status": "True"}]})
    assert condition(compute(spec, seen("a")), "DisruptionTarget") == {"status": "True"}


def test_addresses_and_start_time():
    status = compute(pod(), seen("a"))
    assert (status["podIP"], status["hostIP"]) == ("10.1.0.5", "192.168.0.2")
    assert status["startTime"] == "2026-01-01T12:00:00Z"
    later = compute(pod(status=status), exited("a"), sandbox=SandboxObserved("s0", False))
    assert later["podIPs"] == [{"ip": "10.1.0.5"}]
    host = pod()
    host["spec"]["hostNetwork"] = True
    assert compute(host, seen("a"))["podIP"] == "192.168.0.2"


def test_a_verdict_gives_reason_and_phase():
    status = compute(pod(), exited("a"), verdict=Verdict("DeadlineExceeded", "too long"))
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "DeadlineExceeded",
        "too long",
    )


def test_rejected_pods_fail_at_once():
    status = rejected_status(pod(), Verdict("NodePorts", "Predicate NodePorts failed"), NOW)
    assert status["phase"] == "Failed"
    assert status["message"] == "Pod was rejected: Predicate NodePorts failed"


def test_resources_are_shown():
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}
    spec = pod(container("a", resources=resources))
    observed = PodObserved((READY,), (seen("a"),))
    one = container_statuses(spec, spec["spec"]["containers"], observed, Knowledge())[0]
    assert one["allocatedResources"] == {"cpu": "100m"}
    assert one["resources"] == {"limits": {"cpu": "200m"}, "requests": {"cpu": "100m"}}


class TestPatch:
    def test_equal_statuses_need_none(self):
        status = compute(pod(), seen("a"))
        assert status_patch(status, status) == {}

    def test_only_what_differs_is_sent(self):
        old = compute(pod(), seen("a"))
        new = compute(pod(status=old), exited("a", 1))
        patch = status_patch(old, new)
        assert set(patch) == {"containerStatuses", "conditions"}
        assert {one["type"] for one in patch["conditions"]} == {"Ready", "ContainersReady"}

    def test_what_is_gone_is_removed(self):
        assert status_patch({"reason": "x"}, {}) == {"reason": None}

    def test_a_new_address_replaces_the_old(self):
        patch = status_patch({"podIPs": [{"ip": "1"}]}, {"podIPs": [{"ip": "2"}]})
        assert patch["podIPs"] == [{"$patch": "replace"}, {"ip": "2"}]

    def test_conditions_of_others_are_not_sent(self):
        old = {"conditions": [{"type": "Other", "status": "True"}]}
        assert status_patch(old, {"conditions": []}) == {}
