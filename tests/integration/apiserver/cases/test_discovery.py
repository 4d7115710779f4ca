"""Conformance cases of discovery and of tables."""

from typing import Any

import pytest

# What the cases look for. Source: test/e2e/apimachinery/discovery.go (1.36).
LOCATED = [
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "v1", "roles"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
]
CORE = ["namespaces", "nodes", "pods", "services", "configmaps", "secrets", "serviceaccounts", "events"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What client-go sends.
CLIENT = f"{AGGREGATED},{AGGREGATED.replace('v=v2', 'v=v2beta1')},application/json"


@pytest.mark.case(
    "[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup "
    "[Conformance]"
)
async def test_each_group_version_and_a_resource(api):
    groups = {group["name"]: group for group in (await api.ok("GET", "/apis"))["groups"]}
    for group, version, resource in LOCATED:
        group_version = f"{group}/{version}"
        assert group_version in [item["groupVersion"] for item in groups[group]["versions"]]
        found = await api.ok("GET", f"/apis/{group}/")
        assert group_version in [item["groupVersion"] for item in found["versions"]]
        served = await api.ok("GET", f"/apis/{group_version}/")
        assert (served["kind"], served["groupVersion"]) == ("APIResourceList", group_version)
        assert resource in [item["name"] for item in served["resources"]]


@pytest.mark.case(
    "[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup [Conformance]"
)
async def test_the_preferred_version_is_one_of_them(api):
    groups = (await api.ok("GET", "/apis"))["groups"]
    assert len(groups) >= 20
    for group in groups:
        found = await api.ok("GET", f"/apis/{group['name']}/")
        assert found["name"] == group["name"]
        assert found["preferredVersion"] in found["versions"]
        assert found["preferredVersion"] == group["preferredVersion"]
        assert found["versions"] == group["versions"]


def resources_of(document):
    """Return (group, version, resource) -> entry of an APIGroupDiscoveryList."""
    return {
        (group["metadata"]["name"], version["version"], entry["resource"]): entry
        for group in document["items"]
        for version in group["versions"]
        for entry in version["resources"]
    }


async def check_aggregated(api, accept):
    found: dict[tuple[str, str, str], Any] = {}
    for path in ("/api", "/apis"):
        answer = await api.ask("GET", path, headers={"Accept": accept})
        assert answer.status == 200
        assert answer.headers["Content-Type"] == AGGREGATED
        assert answer.json["kind"] == "APIGroupDiscoveryList"
        assert answer.json["apiVersion"] == "apidiscovery.k8s.io/v2"
        versions = [version for group in answer.json["items"] for version in group["versions"]]
        assert {version["freshness"] for version in versions} == {"Current"}
        found |= resources_of(answer.json)
    for key in [*LOCATED, *(("", "v1", name) for name in CORE)]:
        entry = found[key]
        assert entry["scope"] in ("Cluster", "Namespaced")
        assert entry["verbs"]
        assert entry["responseKind"]["kind"]
    return found


@pytest.mark.case(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers "
    "[Conformance]"
)
async def test_aggregated_discovery_by_accept_header(api):
    await check_aggregated(api, AGGREGATED)
    # A form that this server does not know leads to the next one that the client takes.
    unknown = AGGREGATED.replace("v=v2", "v=v99")
    plain = await api.ask("GET", "/apis", headers={"Accept": f"{unknown},application/json"})
    assert plain.json["kind"] == "APIGroupList"
    assert plain.headers["Content-Type"] == "application/json"


@pytest.mark.case(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface [Conformance]"
)
async def test_aggregated_discovery_agrees_with_the_plain_form(api):
    found = await check_aggregated(api, CLIENT)
    for group, version, resource in LOCATED:
        listed = (await api.ok("GET", f"/apis/{group}/{version}"))["resources"]
        plain = next(item for item in listed if item["name"] == resource)
        entry = found[group, version, resource]
        assert (entry["scope"] == "Namespaced") is plain["namespaced"]
        assert (entry["verbs"], entry["responseKind"]["kind"]) == (plain["verbs"], plain["kind"])
        assert entry.get("shortNames") == plain.get("shortNames")


@pytest.mark.case(
    "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend "
    "which does not implement metadata [Conformance]"
)
async def test_no_table_of_what_has_no_metadata(api):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = await api.ask("POST", path, review, headers)
    assert answer.status == 406
    assert answer.json["reason"] == "NotAcceptable"
