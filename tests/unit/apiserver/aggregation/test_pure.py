"""The decisions of the aggregation layer."""

import pytest

from api.errors import InternalError
from apiserver.aggregation import conditions, documents, registered
from apiserver.aggregation.backend import backend_of, identity_headers
from apiserver.aggregation.conditions import PASSED, service_finding, with_available
from apiserver.http.message import User

REFERENCE = {"namespace": "ns", "name": "svc", "port": 443}
SERVICE = {"spec": {"ports": [{"name": "https", "port": 443}]}}


def endpoints(name="https", ready=True, service="svc"):
    return {
        "metadata": {"namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": name, "port": 8443}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    }


@pytest.mark.parametrize(
    ("service", "slices", "reason"),
    [
        pytest.param(None, [], "ServiceNotFound", id="no-service"),
        pytest.param({"spec": {"ports": [{"port": 80}]}}, [], "ServicePortError", id="another-port"),
        pytest.param(SERVICE, [endpoints(service="other")], "EndpointsNotFound", id="another-s-endpoints"),
        pytest.param(SERVICE, [endpoints(ready=False)], "MissingEndpoints", id="not-ready"),
        pytest.param(SERVICE, [endpoints("http")], "MissingEndpoints", id="another-port-s-endpoints"),
        pytest.param(SERVICE, [endpoints()], "", id="good"),
        pytest.param({"spec": {"type": "ExternalName"}}, [], "", id="not-ours-to-judge"),
    ],
)
def test_service_findings(service, slices, reason):
    found = service_finding(REFERENCE, service, slices)
    assert (found.reason if found else "") == reason


def test_the_condition_keeps_its_time_and_its_neighbours():
    mine = {"type": "Mine", "status": "True"}
    obj = {"status": {"conditions": [mine]}}
    told = with_available(obj, PASSED, "t1")
    assert with_available(told, PASSED, "t2") is told
    assert told["status"]["conditions"][0] is mine
    assert conditions.is_available(told)
    gone = with_available(told, conditions.failed_discovery("no"), "t2")
    assert gone["status"]["conditions"][1]["lastTransitionTime"] == "t2"
    worse = with_available(gone, conditions.failed_discovery("nowhere"), "t3")
    assert worse["status"]["conditions"][1]["lastTransitionTime"] == "t2"
    assert not conditions.is_available(worse)


def test_users_are_named_in_headers():
    user = User("jane", ("a", "b"), "u1", {"authentication.kubernetes.io/credential-id": ("x", "y")})
    assert identity_headers(user) == [
        ("X-Remote-User", "jane"),
        ("X-Remote-Uid", "u1"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-authentication.kubernetes.io%2Fcredential-id", "x"),
        ("X-Remote-Extra-authentication.kubernetes.io%2Fcredential-id", "y"),
    ]


@pytest.mark.parametrize("name", ["a\r\nX-Remote-Group: system:masters", "a\n", "a\0"])
def test_a_name_with_a_line_end_is_no_header(name):
    with pytest.raises(InternalError):
        identity_headers(User(name))


def test_the_core_group_is_never_given_away():
    spec = {"version": "v1", "service": REFERENCE, "groupPriorityMinimum": 1, "versionPriority": 1}
    assert backend_of({"metadata": {"name": "v1."}, "spec": spec}) is None
    backend = backend_of({"metadata": {"name": "v1.g"}, "spec": {**spec, "group": "g"}})
    assert backend is not None
    assert (backend.root, backend.host, backend.available) == ("/apis/g/v1", "svc.ns.svc", False)


def test_definitions_are_registered_by_served_version():
    definition = {
        "metadata": {"name": "foos.g"},
        "spec": {
            "group": "g",
            "versions": [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}],
        },
    }
    found = registered.of_definition(definition)
    assert list(found) == ["v1.g"]
    assert found["v1.g"]["spec"]["groupPriorityMinimum"] == 1000
    assert registered.is_managed(found["v1.g"], "true")
    deleting = {**definition, "metadata": {"name": "foos.g", "deletionTimestamp": "t"}}
    assert registered.of_definition(deleting) == {}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="no-object"),
        pytest.param({"kind": "Status"}, id="another-kind"),
        pytest.param({"kind": "APIGroupDiscoveryList"}, id="empty"),
    ],
)
def test_documents_that_say_nothing(document):
    assert documents.aggregated_entry(document, "g", "v1") is None
    assert documents.listed_entry(document, "g", "v1") is None


def test_references_are_renamed_everywhere():
    ours = {"paths": {}, "definitions": {"A": {"type": "string"}, "A_v2": {}}}
    theirs = documents.part_of(
        {
            "paths": {"/apis/g/v1/x": {"get": {"schema": {"$ref": "#/definitions/B"}}}, "/apis/g/v10/x": {}},
            "definitions": {
                "A": {"type": "object"},
                "B": {
                    "properties": {"a": {"items": [{"$ref": "#/definitions/A"}]}, "$ref": {"type": "string"}}
                },
                "C": {},
            },
        },
        "/apis/g/v1",
    )
    made = documents.merged(ours, [theirs])
    assert list(made["paths"]) == ["/apis/g/v1/x"]
    assert made["definitions"] == {
        "A": {"type": "string"},
        "A_v2": {},
        "A_v3": {"type": "object"},
        "B": {"properties": {"a": {"items": [{"$ref": "#/definitions/A_v3"}]}, "$ref": {"type": "string"}}},
    }


def test_a_plain_list_becomes_an_entry():
    listed = {
        "kind": "APIResourceList",
        "resources": [
            {"name": "foos", "kind": "Foo", "namespaced": False, "verbs": ["get"], "shortNames": ["f"]},
            {
                "name": "foos/scale",
                "kind": "Scale",
                "group": "autoscaling",
                "version": "v1",
                "verbs": ["get"],
            },
            {"name": "lost/status", "kind": "Lost"},
        ],
    }
    entry = documents.listed_entry(listed, "g", "v1")
    assert entry is not None
    (resource,) = entry["resources"]
    assert (resource["scope"], resource["shortNames"]) == ("Cluster", ["f"])
    kind = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert resource["subresources"] == [{"subresource": "scale", "responseKind": kind, "verbs": ["get"]}]


def test_the_entry_of_a_version_among_others():
    def item(name, *versions):
        entries = [{"version": version, "resources": [{"resource": version}]} for version in versions]
        return {"metadata": {"name": name}, "versions": entries}

    document = {"kind": "APIGroupDiscoveryList", "items": [item("a", "v1"), item("g", "v2", "v1")]}
    wanted = {"version": "v1", "resources": [{"resource": "v1"}], "freshness": "Current"}
    assert documents.aggregated_entry(document, "g", "v1") == wanted
    assert documents.aggregated_entry(document, "g", "v3") is None


def test_equal_definitions_are_shared():
    paths = {"/apis/g/v1/": {"$ref": {"not": "a reference"}}}
    part = {"paths": paths, "definitions": {"A": {"type": "string"}}}
    ours = {"paths": {}, "definitions": {"A": {"type": "string"}}}
    assert documents.merged(ours, [part])["definitions"] == ours["definitions"]
    other = {**part, "definitions": {"A": {"type": "object"}}}
    assert documents.merged(ours, [other])["paths"] == part["paths"]
