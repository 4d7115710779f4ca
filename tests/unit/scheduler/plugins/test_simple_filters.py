"""What each filter refuses, and in which words."""

from typing import Any

import pytest

from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.taint_toleration import TaintToleration
from tests.unit.scheduler.build import World, node, pod


def port(number: int, address: str = "", protocol: str = "TCP") -> dict[str, Any]:
    found = {"containerPort": 80, "hostPort": number, "protocol": protocol}
    return {**found, "hostIP": address} if address else found


@pytest.mark.parametrize(
    ("requests", "placed", "offers", "expected"),
    [
        pytest.param({"cpu": "4"}, None, {}, None, id="just-fits"),
        pytest.param({"cpu": "4001m"}, None, {}, ("Insufficient cpu", True), id="never-fits"),
        pytest.param({"cpu": "3"}, {"cpu": "2"}, {}, ("Insufficient cpu", False), id="too-full"),
        pytest.param({"memory": "9Gi"}, None, {}, ("Insufficient memory", True), id="memory"),
        pytest.param({"cpu": "0"}, {"cpu": "5"}, {}, None, id="zero-fits-an-overfull-node"),
        pytest.param(
            {"example.com/gpu": "1"}, None, {}, ("Insufficient example.com/gpu", True), id="unknown-resource"
        ),
        pytest.param(
            {"example.com/gpu": "1"},
            {"example.com/gpu": "2"},
            {"example.com/gpu": "2"},
            ("Insufficient example.com/gpu", False),
            id="extended-resource-taken",
        ),
        pytest.param({}, {}, {"pods": "1"}, ("Too many pods", False), id="too-many-pods"),
    ],
)
def test_fit(requests: Any, placed: Any, offers: Any, expected: Any) -> None:
    others = [] if placed is None else [pod("old", "n1", requests=placed)]
    world = World([node("n1", offers=offers)], others)
    assert world.refused(NodeResourcesFit(), pod("new", requests=requests)).get("n1") == expected


def test_fit_counts_init_containers_sidecars_and_overhead() -> None:
    new = pod("new", requests={"cpu": "1"}, overhead={"cpu": "500m"})
    new["spec"]["initContainers"] = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
        {"name": "big", "resources": {"requests": {"cpu": "2500m"}}},
    ]
    assert World([node("n1", offers={"cpu": "4"})]).feasible(new) == {"n1"}
    assert World([node("n1", offers={"cpu": "3900m"})]).feasible(new) == set()


@pytest.mark.parametrize(
    ("wanted", "used", "clash"),
    [
        pytest.param(port(80), port(81), False, id="other-port"),
        pytest.param(port(80), port(80), True, id="same-port"),
        pytest.param(port(80), port(80, protocol="UDP"), False, id="other-protocol"),
        pytest.param(port(80, "10.0.0.1"), port(80, "10.0.0.2"), False, id="other-address"),
        pytest.param(port(80, "10.0.0.1"), port(80), True, id="any-address-is-used"),
        pytest.param(port(80, "0.0.0.0"), port(80, "10.0.0.1"), True, id="any-address-is-wanted"),
    ],
)
def test_ports(wanted: Any, used: Any, clash: bool) -> None:
    world = World([node("n1"), node("n2")], [pod("old", "n1", ports=[used])])
    reason = ("node(s) didn't have free ports for the requested pod ports", False)
    assert world.refused(NodePorts(), pod("new", ports=[wanted])) == ({"n1": reason} if clash else {})


def test_ports_are_free_again_when_the_last_user_goes() -> None:
    world = World([node("n1")], [pod("old", "n1", ports=[port(80)])])
    world.snapshot.remove_pod("old")
    assert world.refused(NodePorts(), pod("new", ports=[port(80)])) == {}
    assert world.snapshot.ports == {}


def test_node_name() -> None:
    world = World([node("n1"), node("n2")])
    reason = ("node(s) didn't match the requested node name", True)
    assert world.refused(NodeName(), pod("new"), node_name="n2") == {"n1": reason}
    assert world.refused(NodeName(), pod("new")) == {}


def test_a_placed_pod_does_not_pin_its_twins() -> None:
    world = World([node("n1", offers={"pods": "1"}), node("n2")], [pod("old", "n1")])
    assert world.feasible(pod("new")) == {"n2"}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        pytest.param([], {"cordoned"}, id="refused"),
        pytest.param([{"operator": "Exists"}], set(), id="tolerates-everything"),
        pytest.param(
            [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}],
            set(),
            id="tolerates-this",
        ),
    ],
)
def test_unschedulable(tolerations: Any, expected: set[str]) -> None:
    world = World([node("n1"), node("cordoned", unschedulable=True)])
    found = world.refused(NodeUnschedulable(), pod("new", tolerations=tolerations))
    assert found == dict.fromkeys(expected, ("node(s) were unschedulable", True))


@pytest.mark.parametrize(
    ("effect", "toleration", "refused"),
    [
        pytest.param("NoSchedule", None, True, id="no-schedule"),
        pytest.param("NoExecute", None, True, id="no-execute"),
        pytest.param("PreferNoSchedule", None, False, id="soft"),
        pytest.param("NoSchedule", {"key": "a", "operator": "Exists"}, False, id="tolerated"),
        pytest.param("NoSchedule", {"key": "b", "operator": "Exists"}, True, id="other-key"),
        pytest.param(
            "NoSchedule", {"key": "a", "operator": "Exists", "effect": "NoExecute"}, True, id="other-effect"
        ),
    ],
)
def test_taints(effect: str, toleration: Any, refused: bool) -> None:
    world = World([node("n1", taints=[("a", effect)]), node("n2")])
    new = pod("new", tolerations=[toleration] if toleration else [])
    reason = ("node(s) had untolerated taint(s)", True)
    assert world.refused(TaintToleration(), new) == ({"n1": reason} if refused else {})


def required(*terms: Any) -> Any:
    wanted = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": wanted}}}


def expression(key: str, operator: str, *values: str) -> Any:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "matching"),
    [
        pytest.param({}, {"a", "b", "c"}, id="no-wish"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, {"a"}, id="selector"),
        pytest.param(required(expression("disk", "In", "ssd", "hdd")), {"a", "b"}, id="in"),
        pytest.param(required(expression("disk", "NotIn", "ssd")), {"b", "c"}, id="not-in"),
        pytest.param(required(expression("disk", "Exists")), {"a", "b"}, id="exists"),
        pytest.param(required(expression("disk", "DoesNotExist")), {"c"}, id="does-not-exist"),
        pytest.param(required(expression("cores", "Gt", "4")), {"b"}, id="gt"),
        pytest.param(required(expression("cores", "Lt", "5")), {"a"}, id="lt"),
        pytest.param(
            required(expression("disk", "In", "ssd"), expression("cores", "Gt", "4")), {"a", "b"}, id="or"
        ),
        pytest.param(required({}), set(), id="an-empty-term-matches-nothing"),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}, **required(expression("cores", "Gt", "4"))}, set(), id="both"
        ),
        pytest.param(
            required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}),
            {"b"},
            id="field",
        ),
        pytest.param(
            required({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["b"]}]}),
            {"a", "c"},
            id="not-that-field",
        ),
    ],
)
def test_node_affinity(spec: Any, matching: set[str]) -> None:
    world = World(
        [node("a", {"disk": "ssd", "cores": "4"}), node("b", {"disk": "hdd", "cores": "8"}), node("c")]
    )
    found = world.refused(NodeAffinity(), pod("new", **spec))
    assert {"a", "b", "c"} - set(found) == matching
    assert all(final for _, final in found.values())


def test_node_affinity_follows_labels() -> None:
    world = World([node("a")])
    new = pod("new", nodeSelector={"disk": "ssd"})
    assert world.refused(NodeAffinity(), new) == {
        "a": ("node(s) didn't match Pod's node affinity/selector", True)
    }
    world.snapshot.set_node(node("a", {"disk": "ssd"}))
    assert world.refused(NodeAffinity(), new) == {}


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        pytest.param({}, "", id="nothing-needed"),
        pytest.param({"hostNetwork": True, "hostUsers": False}, "old other", id="users-on-the-hosts-network"),
        pytest.param({"hostNetwork": True, "hostUsers": True}, "", id="hosts-users"),
        pytest.param({"hostUsers": False}, "", id="own-network"),
        pytest.param(
            {"initContainers": [{"name": "i", "restartPolicyRules": [{"action": "RestartAllContainers"}]}]},
            "old new",
            id="restart-of-all",
        ),
        pytest.param(
            {"initContainers": [{"name": "i", "restartPolicyRules": [{"action": "Restart"}]}]},
            "",
            id="restart",
        ),
    ],
)
def test_declared_features(spec: Any, refused: str) -> None:
    features = {
        "old": [],
        "new": ["UserNamespacesHostNetworkSupport"],
        "other": ["RestartAllContainersOnContainerExits"],
    }
    nodes = [node(name) for name in features]
    for each in nodes:
        each["status"]["declaredFeatures"] = features[each["metadata"]["name"]]
    world = World(nodes)
    reason = ("node(s) didn't match Pod's required features", True)
    assert world.refused(NodeDeclaredFeatures(), pod("new", **spec)) == dict.fromkeys(refused.split(), reason)


def test_a_node_may_declare_more_later() -> None:
    world, new = World([node("a")]), pod("new", hostNetwork=True, hostUsers=False)
    assert world.feasible(new) == set()
    changed = node("a")
    changed["status"]["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    assert world.snapshot.set_node(changed)
    assert world.feasible(new) == {"a"}
    look = NodeDeclaredFeatures.hints["Node/Changed"]
    assert look is not None
    assert (look(new, node("a"), changed), look(new, changed, changed)) == (True, False)


def test_a_pod_counts_with_what_its_node_gave_it() -> None:
    """Resized from 1 to 3 CPUs: as much counts as may be in use, or as is in use if there is no more."""
    old = pod("old", "n1", requests={"cpu": "3"})
    has = {"resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "1"}}
    old["status"] = {"containerStatuses": [{"name": "main", **has}]}
    world, new = World([node("n1")], [old]), pod("new", requests={"cpu": "2"})
    assert world.feasible(new) == set()
    waits = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
    world.place({**old, "status": {**old["status"], "conditions": waits}})
    assert world.feasible(new) == {"n1"}
