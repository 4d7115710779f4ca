"""Requests are sorted by the suggested flow schemas as upstream sorts them; configuration is digested."""

import pytest

from api.flowcontrol.bootstrap import flow_schemas, priority_levels
from apiserver.flowcontrol.classify import Classifier, Flow, Schema, compile_rules, method_of
from apiserver.flowcontrol.digest import dangling, level_name, level_specs, ordered_schemas
from apiserver.flowcontrol.dropped import Dropped
from apiserver.flowcontrol.levels import Level, Pool
from apiserver.http.message import RequestInfo, User

NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
MANAGER = User("system:kube-controller-manager", ("system:authenticated",))
ACCOUNT = User("system:serviceaccount:ns:bot", ("system:serviceaccounts", "system:authenticated"))
SYSTEM = User("system:serviceaccount:kube-system:dns", ("system:serviceaccounts", "system:authenticated"))
SOMEBODY = User("jane", ("system:authenticated",))
MASTER = User("admin", ("system:masters", "system:authenticated"))


def on(verb, resource, group="", namespace="", subresource=""):
    return RequestInfo(True, "/x", verb, group, "v1", resource, subresource, namespace)


@pytest.fixture(scope="module")
def classifier():
    specs = level_specs(priority_levels())
    levels = {name: Level(spec, Pool()) for name, spec in specs.items()}
    schemas = [
        Schema(
            obj["metadata"]["name"],
            "",
            levels[level_name(obj)],
            method_of(obj["spec"]),
            compile_rules(obj["spec"]),
        )
        for obj in ordered_schemas(flow_schemas(), specs)
    ]
    return Classifier(schemas, schemas[-1])


LEASES = "coordination.k8s.io"


@pytest.mark.parametrize(
    ("user", "info", "schema", "distinguisher"),
    [
        pytest.param(MASTER, on("list", "pods"), "exempt", "", id="masters"),
        pytest.param(User("a"), RequestInfo(False, "/healthz", "get"), "catch-all", "a", id="no-group"),
        pytest.param(SOMEBODY, RequestInfo(False, "/healthz", "get"), "probes", "", id="probes"),
        pytest.param(
            MANAGER,
            on("update", "leases", LEASES, "kube-system"),
            "system-leader-election",
            MANAGER.name,
            id="leader",
        ),
        pytest.param(
            MANAGER, on("update", "endpoints", "", "ns"), "endpoint-controller", MANAGER.name, id="endpoints"
        ),
        pytest.param(MANAGER, on("list", "pods", "", "ns"), "kube-controller-manager", "ns", id="manager"),
        pytest.param(
            SYSTEM,
            on("get", "leases", LEASES, "x"),
            "workload-leader-election",
            SYSTEM.name,
            id="system-leader",
        ),
        pytest.param(SYSTEM, on("list", "services"), "kube-system-service-accounts", "", id="system-account"),
        pytest.param(
            NODE, on("patch", "nodes", subresource="status"), "system-node-high", NODE.name, id="node-status"
        ),
        pytest.param(
            NODE,
            on("update", "leases", LEASES, "kube-node-lease"),
            "system-node-high",
            NODE.name,
            id="node-lease",
        ),
        pytest.param(NODE, on("list", "pods"), "system-nodes", NODE.name, id="node-pods"),
        pytest.param(ACCOUNT, on("list", "pods"), "service-accounts", ACCOUNT.name, id="account"),
        pytest.param(SOMEBODY, on("list", "pods"), "global-default", "jane", id="somebody"),
    ],
)
def test_suggested_schemas(classifier, user, info, schema, distinguisher):
    flow = Flow(classifier.find(user, info), user, info)
    assert (flow.schema.name, flow.distinguisher) == (schema, distinguisher)
    assert classifier.find(user, info) is flow.schema


@pytest.mark.parametrize(
    ("rule", "path", "wanted"),
    [
        pytest.param("/api/*", "/api/v1", True, id="prefix"),
        pytest.param("/api/*", "/apis", False, id="not-the-prefix"),
        pytest.param("/version", "/version", True, id="exact"),
        pytest.param("/version", "/version/x", False, id="not-below"),
        pytest.param("*", "/x", True, id="all"),
    ],
)
def test_paths(rule, path, wanted):
    spec = {
        "rules": [
            {
                "subjects": [{"kind": "Group", "group": {"name": "*"}}],
                "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": [rule]}],
            }
        ]
    }
    assert compile_rules(spec)[0].matches(SOMEBODY, RequestInfo(False, path, "get")) is wanted


def test_users_and_namespaces_that_no_schema_names_are_as_good_as_each_other(classifier):
    for number in range(1000):
        node = User(f"system:node:n{number}", NODE.groups)
        classifier.find(node, on("patch", "pods", "", f"ns-{number}", "status"))
    assert len(classifier._known) < 50
    # Those that are named keep their own place.
    assert classifier.find(SYSTEM, on("get", "leases", LEASES, "ns-1")).name == "workload-leader-election"
    assert classifier.find(ACCOUNT, on("get", "leases", LEASES, "ns-1")).name == "service-accounts"
    assert classifier.find(MANAGER, on("update", "leases", LEASES, "ns-1")).name == "kube-controller-manager"


def test_invented_paths_are_forgotten_together():
    level = Level(level_specs([])["catch-all"], Pool())
    classifier = Classifier([], Schema("catch-all", "", level, "", ()))
    classifier.REMEMBERED = 10
    for number in range(25):
        classifier.find(SOMEBODY, RequestInfo(False, f"/{number}", "get"))
    assert len(classifier._known) <= 10


def test_mandatory_objects_are_imagined_and_broken_ones_left_out():
    broken = {"metadata": {"name": "b"}, "spec": {"type": "Exempt"}}
    specs = level_specs([broken])
    assert set(specs) == {"exempt", "catch-all"}
    lost = {
        "metadata": {"name": "l"},
        "spec": {"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "b"}},
    }
    assert [obj["metadata"]["name"] for obj in ordered_schemas([lost], specs)] == ["exempt", "catch-all"]


def test_dangling_is_told_once_and_foreign_conditions_stay():
    specs = level_specs([])
    foreign = {"type": "Mine", "status": "True"}
    schema = {
        "metadata": {"name": "s"},
        "spec": {"priorityLevelConfiguration": {"name": "gone"}},
        "status": {"conditions": [foreign]},
    }
    told = dangling(schema, specs, "2026-01-01T00:00:00Z")
    assert told["status"]["conditions"] == [
        foreign,
        {
            "type": "Dangling",
            "status": "True",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "NotFound",
            "message": 'This FlowSchema references the PriorityLevelConfiguration object named "gone" '
            "but there is no such object",
        },
    ]
    assert dangling(told, specs, "2027-01-01T00:00:00Z") is told
    found = dangling(
        {**told, "spec": {"priorityLevelConfiguration": {"name": "exempt"}}}, specs, "2027-01-01T00:00:00Z"
    )
    condition = found["status"]["conditions"][1]
    assert (condition["status"], condition["reason"]) == ("False", "Found")
    assert condition["lastTransitionTime"] == "2027-01-01T00:00:00Z"


def test_refused_clients_stay_away_longer_and_longer():
    dropped = Dropped()
    told = []
    for second in range(100, 140):
        for _ in range(100):
            dropped.record(second)
        told.append(dropped.retry_after_s)
    assert told[:4] == [1, 2, 2, 4]
    assert told[-1] == 32
    dropped.record(300)
    assert dropped.retry_after_s == 31
