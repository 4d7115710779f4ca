"""Manifests and templates become changes: whose pods come, whose leave, in which steps."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.errors import Forbidden
from api.kinds import kind_of
from api.resource import Resource
from api.types.apps_v1 import DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS
from api.types.core_v1 import NODES, PERSISTENTVOLUMECLAIMS, PODS
from cli.whatif.hypothesis import applied, more_nodes
from cli.whatif.live import Live
from cli.whatif.manifests import BadManifest
from scheduler.whatif.hypotheses import Change, Rollout
from tests.unit.scheduler.build import node, pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEMPLATE = "{metadata: {labels: {app: x}}, spec: {containers: [{name: main, image: 'app:1'}]}}"
SPEC = f"selector: {{matchLabels: {{app: x}}}}, template: {TEMPLATE}"


def manifest(kind: str, spec: str = "", version: str = "apps/v1", name: str = "x") -> bytes:
    text = f"{{apiVersion: {version}, kind: {kind}, metadata: {{name: {name}}}, spec: {{{SPEC}, {spec}}}}}"
    return text.encode()


def change(data: bytes, live: Any = ()) -> Change:
    return applied(Live(dict(live)), data, "default", NOW)[0]


def rollout(data: bytes, live: Any = ()) -> Rollout:
    (found,) = change(data, live).rollouts
    return found


def there(resource: Resource[Any], data: bytes) -> Any:
    """Return the object of a manifest as it is when it has been applied."""
    for kind, obj in change(data).objects:
        if kind is resource:
            return {**obj, "metadata": {**obj["metadata"], "uid": f"uid-{resource.plural}"}}
    raise AssertionError


def owned(name: str, owner: Any, kind: str, on: str = "n1") -> Any:
    made = pod(name, on=on, labels={"app": "x"})
    reference = {
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    made["metadata"]["ownerReferences"] = [reference]
    return made


def names(pods: Any) -> list[str]:
    return [each["metadata"].get("name") or each["metadata"]["generateName"] for each in pods]


def summary(found: Rollout) -> tuple[int, int, list[str], int, int, int]:
    return found.size, len(found.come), names(found.leave), found.stay, found.surge, found.unavailable


# -- deployments


def _deployment(replicas: int, image: str = "app:1", more: str = "") -> bytes:
    return manifest("Deployment", f"replicas: {replicas}{more}").replace(b"app:1", image.encode())


def _live_deployment(pods: int) -> dict[Any, Any]:
    data = _deployment(pods)
    deployment, rs = there(DEPLOYMENTS, data), there(REPLICASETS, data)
    rs["metadata"]["ownerReferences"][0]["uid"] = deployment["metadata"]["uid"]
    old = [owned(f"old{number}", rs, "ReplicaSet") for number in range(pods)]
    return {DEPLOYMENTS: [deployment], REPLICASETS: [rs], PODS: old}


def test_a_new_deployment():
    found = change(_deployment(3))
    assert summary(found.rollouts[0]) == (3, 3, [], 0, 1, 0)
    assert [resource for resource, _ in found.objects] == [DEPLOYMENTS, REPLICASETS]
    made = found.rollouts[0].come[0]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert made["metadata"]["labels"].keys() == {"app", "pod-template-hash"}
    assert made["spec"]["priority"] == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(_deployment(3), (3, 0, [], 3, 1, 0), id="the-same"),
        pytest.param(_deployment(5), (5, 2, [], 3, 2, 1), id="more"),
        pytest.param(_deployment(2), (2, 0, ["old0"], 2, 1, 0), id="fewer"),
        pytest.param(_deployment(3, "app:2"), (3, 3, ["old0", "old1", "old2"], 0, 1, 0), id="another-image"),
        pytest.param(
            _deployment(3, "app:2", ", strategy: {type: Recreate}"),
            (3, 3, ["old0", "old1", "old2"], 0, 0, 3),
            id="recreated",
        ),
        pytest.param(_deployment(3, "app:2", ", paused: true"), (0, 0, [], 0, 0, 0), id="paused"),
    ],
)
def test_a_deployment_that_is_there(data, expected):
    assert summary(rollout(data, _live_deployment(3))) == expected


# -- others


def test_replica_sets_keep_their_pods_whatever_their_template():
    rs = there(REPLICASETS, manifest("ReplicaSet", "replicas: 1"))
    live = {REPLICASETS: [rs], PODS: [owned("a", rs, "ReplicaSet")]}
    data = manifest("ReplicaSet", "replicas: 3").replace(b"app:1", b"app:2")
    assert summary(rollout(data, live)) == (3, 2, [], 1, 0, 0)


def _sts(replicas: int, image: str = "app:1", more: str = "") -> bytes:
    claims = "volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]"
    claims = claims.replace("]}}]", "], resources: {requests: {storage: 1Gi}}}}]")
    data = manifest("StatefulSet", f"serviceName: x, replicas: {replicas}, {claims}{more}")
    return data.replace(b"app:1", image.encode())


def _live_sts(pods: int, more: str = "") -> dict[Any, Any]:
    sts = there(STATEFULSETS, _sts(pods, more=more))
    claim = {"metadata": {"name": "data-x-0", "namespace": "default"}}
    old = [owned(f"x-{number}", sts, "StatefulSet") for number in range(pods)]
    return {STATEFULSETS: [sts], PODS: old, PERSISTENTVOLUMECLAIMS: [claim]}


@pytest.mark.parametrize(
    ("data", "come", "leave", "stay"),
    [
        pytest.param(_sts(3), [], [], 3, id="the-same"),
        pytest.param(_sts(5), ["x-3", "x-4"], [], 3, id="more"),
        pytest.param(_sts(2), [], ["x-2"], 2, id="fewer"),
        pytest.param(_sts(3, "app:2"), ["x-2", "x-1", "x-0"], ["x-2", "x-1", "x-0"], 0, id="another-image"),
        pytest.param(
            _sts(3, "app:2", ", updateStrategy: {rollingUpdate: {partition: 2}}"),
            ["x-2"],
            ["x-2"],
            2,
            id="partition",
        ),
    ],
)
def test_a_stateful_set_that_is_there(data, come, leave, stay):
    found = rollout(data, _live_sts(3))
    assert (names(found.come), names(found.leave), found.stay) == (come, leave, stay)
    assert (found.unavailable, found.in_order) == (1, True)


def test_a_stateful_set_that_is_updated_by_hand():
    found = rollout(_sts(4, "app:2"), _live_sts(3, ", updateStrategy: {type: OnDelete}"))
    assert (names(found.come), found.leave, found.stay) == (["x-3"], (), 3)


def test_a_new_stateful_set_has_claims():
    live = {PERSISTENTVOLUMECLAIMS: _live_sts(0)[PERSISTENTVOLUMECLAIMS]}
    found = change(_sts(2, more=", podManagementPolicy: Parallel"), live)
    claims = [
        obj["metadata"]["name"] for resource, obj in found.objects if resource is PERSISTENTVOLUMECLAIMS
    ]
    assert claims == ["data-x-1"]
    assert not found.rollouts[0].in_order


NODES_OF_ALL = [node("n1"), node("n2"), node("n3", taints=[("mine", "NoSchedule")])]


def _ds(image: str = "app:1") -> bytes:
    return manifest("DaemonSet").replace(b"app:1", image.encode())


def _pinned_to(each: Any) -> str:
    (term,) = each["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    return str(term["matchFields"][0]["values"][0])


def test_daemons_go_where_they_are_let():
    found = rollout(_ds(), {NODES: NODES_OF_ALL})
    assert [_pinned_to(each) for each in found.come] == ["n1", "n2"]
    ds = there(DAEMONSETS, _ds())
    old = [owned("d1", ds, "DaemonSet", "n1"), owned("d9", ds, "DaemonSet", "n9")]
    live = {NODES: NODES_OF_ALL, DAEMONSETS: [ds], PODS: old}
    found = rollout(_ds(), live)
    assert ([_pinned_to(each) for each in found.come], names(found.leave), found.stay) == (["n2"], ["d9"], 1)
    found = rollout(_ds("app:2"), live)
    assert [_pinned_to(each) for each in found.come] == ["n2", "n1"]
    assert (names(found.leave), found.unavailable) == (["d9", "d1"], 1)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("parallelism: 3", 3),
        ("parallelism: 3, completions: 2", 2),
        ("suspend: true", 0),
        ("completions: 5", 1),
    ],
)
def test_a_new_job(spec, count):
    data = manifest("Job", spec, "batch/v1").replace(b"selector: {matchLabels: {app: x}}, ", b"")
    data = data.replace(b"containers", b"restartPolicy: Never, containers")
    assert len(rollout(data).come) == count


def test_plain_pods():
    data = b"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: b}]}}"
    assert names(change(data).pods) == ["p"]
    known, notes = applied(Live({PODS: [pod("p", on="n1")]}), data, "default", NOW)
    assert (known.pods, notes) == ((), ["Pod default/p, which is there already"])


def test_what_is_applied_counts_for_the_pods_of_the_file():
    data = b"""
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: vip}, value: 5}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {priorityClassName: vip, containers: [{name: a, image: b}]}
"""
    assert change(data).pods[0]["spec"]["priority"] == 5
    with pytest.raises(Forbidden):
        change(data.split(b"---")[1])


def test_cron_jobs_are_named_as_not_looked_at():
    job = "jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}"
    spec = f"{{schedule: '0 * * * *', {job}}}"
    data = f"{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, spec: {spec}}}"
    assert applied(Live({}), data.encode(), "default", NOW)[1] == ["CronJob default/c"]


# -- nodes


def test_new_nodes_get_their_daemons():
    ds = there(DAEMONSETS, _ds())
    live = Live({NODES: NODES_OF_ALL, DAEMONSETS: [ds]})
    found = more_nodes(live, 2, NODES_OF_ALL[0], NOW)
    assert [obj["metadata"]["name"] for _, obj in found.objects] == ["n1-new-1", "n1-new-2"]
    assert [_pinned_to(each) for each in found.pods] == ["n1-new-1", "n1-new-2"]
    assert more_nodes(live, 1, NODES_OF_ALL[2], NOW).pods == ()
    data = b"{apiVersion: v1, kind: Node, metadata: {name: big}, status: {allocatable: {cpu: 64}}}"
    (_, big), *_ = more_nodes(live, 1, data, NOW).objects
    assert (big["metadata"]["name"], big["status"]["allocatable"]["cpu"]) == ("big-new-1", "64")
    (applied_node,) = change(data, {DAEMONSETS: [ds]}).pods
    assert _pinned_to(applied_node) == "big"


def test_a_template_must_be_one_node():
    with pytest.raises(BadManifest, match="one Node and nothing else"):
        more_nodes(Live({}), 1, _deployment(1), NOW)


def test_live_objects_are_not_changed():
    live = _live_deployment(3)
    before = repr(live)
    change(_deployment(5, "app:2"), live)
    assert repr(live) == before
    assert kind_of(DEPLOYMENTS).validate(live[DEPLOYMENTS][0]) == []
