"""Disruption budgets, summed roles, finished jobs."""

from typing import Any

import pytest

from api.resource import Key
from api.types.apps_v1 import DEPLOYMENTS, REPLICASETS
from api.types.batch_v1 import JOBS
from api.types.core_v1 import PODS
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from api.types.rbac_v1 import CLUSTERROLES
from controllers.clusterrole_aggregation import clusterrole_aggregation
from controllers.disruption import disruption
from controllers.framework.plan import Delete
from controllers.ttl_after_finished import ttl_after_finished
from tests.sim.world import World

KEY = Key("default", "pdb")


def budget(**spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "pdb", "namespace": "default"}, "spec": {"selector": selector, **spec}}


def pod(name: str, ready: bool = True, owner: str = "") -> dict[str, Any]:
    refs = [{"uid": owner, "kind": "ReplicaSet", "name": owner, "apiVersion": "apps/v1", "controller": True}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web"}}
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": {**metadata, "ownerReferences": refs if owner else []}, "spec": {}, "status": status}


def counts(world: World) -> tuple[int, ...]:
    status = world.table(PODDISRUPTIONBUDGETS).objects[KEY]["status"]
    names = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return tuple(status[name] for name in names)


@pytest.mark.parametrize(
    ("spec", "ready", "expected"),
    [
        pytest.param({"minAvailable": 1}, 3, (3, 1, 3, 2), id="bare-pods"),
        pytest.param({"minAvailable": 3}, 3, (3, 3, 3, 0), id="none-to-spare"),
        pytest.param({"minAvailable": 2}, 1, (3, 2, 1, 0), id="too-few-healthy"),
    ],
)
def test_numbers(spec: Any, ready: int, expected: tuple[int, ...]) -> None:
    world = World(disruption)
    world.put(PODDISRUPTIONBUDGETS, budget(**spec))
    for number in range(3):
        world.put(PODS, pod(f"p{number}", number < ready))
    world.settle()
    assert counts(world) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"minAvailable": "50%"}, (4, 2, 3, 1), id="percentage-of-the-wanted"),
        pytest.param({"maxUnavailable": 1}, (4, 3, 3, 0), id="at-most-one-away"),
        pytest.param({"maxUnavailable": "50%"}, (4, 2, 3, 1), id="at-most-half-away"),
    ],
)
def test_shares_of_what_the_owner_wants(spec: Any, expected: tuple[int, ...]) -> None:
    world = World(disruption)
    ref = {"uid": "d", "kind": "Deployment", "name": "d", "apiVersion": "apps/v1", "controller": True}
    world.put(
        DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "default", "uid": "d"}, "spec": {"replicas": 4}}
    )
    metadata = {"name": "rs", "namespace": "default", "uid": "rs", "ownerReferences": [ref]}
    world.put(REPLICASETS, {"metadata": metadata, "spec": {"replicas": 9}})
    world.put(PODDISRUPTIONBUDGETS, budget(**spec))
    for number in range(3):
        world.put(PODS, pod(f"p{number}", owner="rs"))
    world.settle()
    assert counts(world) == expected


def test_without_a_scale_nothing_may_be_evicted() -> None:
    world = World(disruption)
    world.put(PODDISRUPTIONBUDGETS, budget(maxUnavailable=1))
    world.put(PODS, pod("p"))
    world.settle()
    assert counts(world)[3] == 0
    (condition,) = world.table(PODDISRUPTIONBUDGETS).objects[KEY]["status"]["conditions"]
    assert condition["reason"] == "SyncFailed"


def test_an_allowed_eviction_counts_until_the_pod_goes_or_time_is_up() -> None:
    world = World(disruption)
    world.put(PODDISRUPTIONBUDGETS, budget(minAvailable=1))
    for name in ("a", "b"):
        world.put(PODS, pod(name))
    world.change(PODDISRUPTIONBUDGETS, KEY, {"status": {"disruptedPods": {"a": "2026-01-01T00:00:00Z"}}})
    assert world.reconcile(disruption, KEY).requeue_after == 120.0
    assert counts(world) == (2, 1, 1, 0)
    world.pass_time(121)
    world.settle()
    assert counts(world) == (2, 1, 2, 1)


def test_roles_are_summed() -> None:
    world = World(clusterrole_aggregation)
    rule = {"clusterRoleSelectors": [{"matchLabels": {"to-view": "true"}}]}
    world.put(CLUSTERROLES, {"metadata": {"name": "view"}, "aggregationRule": rule, "rules": []})
    for name in ("b", "a"):
        rules = [{"verbs": ["get"], "resources": [name]}, {"verbs": ["list"], "resources": ["x"]}]
        world.put(CLUSTERROLES, {"metadata": {"name": name, "labels": {"to-view": "true"}}, "rules": rules})
    world.put(CLUSTERROLES, {"metadata": {"name": "c"}, "rules": [{"verbs": ["*"]}]})
    world.settle()
    found = world.table(CLUSTERROLES).objects[Key("", "view")]["rules"]
    assert [rule["resources"] for rule in found] == [["a"], ["x"], ["b"]]


def test_finished_jobs_go_when_their_time_is_over() -> None:
    world = World(ttl_after_finished)
    condition = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    metadata = {"name": "j", "namespace": "default"}
    job = {
        "metadata": metadata,
        "spec": {"ttlSecondsAfterFinished": 30},
        "status": {"conditions": [condition]},
    }
    world.put(JOBS, job)
    key = Key("default", "j")
    assert world.plan(ttl_after_finished, key).requeue_after == 30.0
    world.pass_time(30)
    assert [type(change) for change in world.plan(ttl_after_finished, key).changes] == [Delete]
