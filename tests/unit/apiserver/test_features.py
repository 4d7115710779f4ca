"""Which alpha features flags turn on, and what belongs to those that are off."""

from typing import Any

import pytest

from api.catalog import ALL
from api.resource import Resource
from api.types.apps_v1 import DEPLOYMENTS
from api.types.batch_v1 import CRONJOBS
from api.types.core_v1 import CONFIGMAPS, PODS
from api.types.scheduling_v1alpha2 import PODGROUPS, WORKLOADS
from apiserver.bootstrap import objects, policy
from apiserver.features import PLAIN, read

GATE, VERSION = "GenericWorkload", "scheduling.k8s.io/v1alpha2"
ON = read([f"{GATE}=true"], [f"{VERSION}=true"])


@pytest.mark.parametrize(
    ("gates", "versions", "served"),
    [
        pytest.param([], [], False, id="default"),
        pytest.param([f"{GATE}=true"], [], False, id="gate-alone"),
        pytest.param([], [f"{VERSION}=true"], False, id="version-alone"),
        pytest.param([f"{GATE}=true"], [f"{VERSION}=true"], True, id="both"),
        pytest.param(["AllAlpha=true"], ["api/alpha=true"], True, id="all-alpha"),
        pytest.param([f"{GATE}=true"], ["api/all=true"], True, id="all"),
        pytest.param(["AllAlpha=true", f"{GATE}=false", "GangScheduling=false"], ["api/all=true"], False,
                     id="all-gates-but-this"),
        pytest.param([f"{GATE}=true"], ["api/all=true", f"{VERSION}=false"], False, id="all-but-this"),
        pytest.param([f"{GATE}=true"], ["api/all=true", "api/alpha=false"], False, id="all-but-alpha"),
        pytest.param([f"{GATE}=true", "GangScheduling=true"], [f"{VERSION}=true", "apps/v1=true"], True,
                     id="what-is-on-anyway"),
    ],
)  # fmt: skip
def test_what_is_served(gates: list[str], versions: list[str], served: bool) -> None:
    features = read(gates, versions)
    assert features.serves(PODGROUPS) is served
    assert features.serves(WORKLOADS) is served
    others = [item for item in ALL if item not in (PODGROUPS, WORKLOADS)]
    assert all(features.serves(item) for item in others)


@pytest.mark.parametrize(
    ("gates", "versions", "words"),
    [
        pytest.param(["Nope=true"], [], "unrecognized feature gate: Nope", id="gate"),
        pytest.param([GATE], [], "expected true or false", id="no-value"),
        pytest.param(["GangScheduling=true"], [], "depends on features that are disabled", id="dependency"),
        pytest.param([], ["a/v1=true"], "unknown api version in --runtime-config: a/v1", id="version"),
        pytest.param([], ["apps/v1=false"], "apps/v1 cannot be turned off", id="ga-off"),
        pytest.param([], ["api/all=false"], "api/all cannot be turned off", id="all-off"),
    ],
)
def test_bad_flags(gates: list[str], versions: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(gates, versions)


def with_group(resource: Resource, *path: str) -> dict[str, Any]:
    inner: dict[str, Any] = {"schedulingGroup": {"podGroupName": "g"}, "containers": []}
    for name in reversed(path):
        inner = {name: inner}
    return {"metadata": {"name": "x"}, **inner}


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        pytest.param(PODS, ("spec",), id="pods"),
        pytest.param(DEPLOYMENTS, ("spec", "template", "spec"), id="deployments"),
        pytest.param(CRONJOBS, ("spec", "jobTemplate", "spec", "template", "spec"), id="cronjobs"),
    ],
)
def test_groups_are_dropped_while_the_gate_is_off(resource: Resource, path: tuple[str, ...]) -> None:
    assert ON.drop_of(resource) is None
    drop, obj = PLAIN.drop_of(resource), with_group(resource, *path)
    assert drop is not None
    found = drop(obj, {})
    for name in path:
        found = found[name]
    assert found == {"containers": []}
    assert drop(obj, obj) is obj, "an object that has the field keeps it"
    bare = {"metadata": {"name": "x"}}
    assert drop(bare, {}) is bare
    assert PLAIN.drop_of(CONFIGMAPS) is None


def test_what_a_cluster_has_from_the_start() -> None:
    def rights(features: Any) -> set[str]:
        role = next(obj for obj in policy.cluster_roles(features) if obj["metadata"]["name"] == SCHEDULER)
        return {name for rule in role["rules"] for name in rule.get("resources", ())}

    def versions(features: Any) -> set[str]:
        return {wanted.name for wanted in objects.api_services(features)}

    assert rights(ON) - rights(PLAIN) == {"podgroups", "podgroups/status"}
    assert versions(ON) - versions(PLAIN) == {"v1alpha2.scheduling.k8s.io"}


SCHEDULER = "system:kube-scheduler"
