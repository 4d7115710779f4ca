"""Conformance: definitions and their resources. Upstream: test/e2e/apimachinery/{custom_resource_definition,
crd_watch,crd_conversion_webhook,crd_selectable_fields,aggregated_discovery}.go."""

import asyncio

import pytest

from tests.integration.apiserver.customresources import (
    ANY,
    CRDS,
    PATH,
    V1,
    V2,
    answer,
    box,
    boxes,
    definition,
    names,
    version,
    widget,
)

_SIMPLE = (
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple "
    "CustomResourceDefinition "
)
_RESOURCES = "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] "
_CONVERSION = "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] "
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
ITEMS = "/apis/example.com/v1/{}"


def cluster_wide(plural: str, schema: object = None, **labels: str) -> dict:
    made = definition(plural, versions=[version(schema=schema or ANY)], scope="Cluster")
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


async def until_gone(api, path: str) -> None:
    for _ in range(500):
        if (await api.ask("GET", path)).status == 404:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path} is still there")


@pytest.mark.case(_SIMPLE + "creating/deleting custom resource definition objects works [Conformance]")
async def test_creating_and_deleting(api) -> None:
    await api.ok("POST", CRDS, cluster_wide("foos"))
    # What upstream's helper waits for: an instance whose deletion a watch tells.
    path = ITEMS.format("foos")
    primer = await api.ok("POST", path, widget("primer", "Foo"))
    watch = asyncio.ensure_future(api.watch(path, 1, resourceVersion=primer["metadata"]["resourceVersion"]))
    await api.ok("DELETE", f"{path}/primer")
    assert [event["type"] for event in await watch] == ["DELETED"]
    await api.ok("DELETE", f"{CRDS}/foos.example.com")
    await until_gone(api, f"{CRDS}/foos.example.com")
    assert (await api.ask("GET", path)).status == 404


@pytest.mark.case(_SIMPLE + "listing custom resource definition objects works [Conformance]")
async def test_listing(api) -> None:
    made = {}
    for number in range(10):
        one = await api.ok("POST", CRDS, cluster_wide(f"foo{number}s", **{"e2e-list-test-uuid": "x"}))
        made[one["metadata"]["name"]] = one["spec"]
    await api.ok("POST", CRDS, cluster_wide("others"))
    listed = await api.ok("GET", CRDS, labelSelector="e2e-list-test-uuid=x")
    assert {item["metadata"]["name"]: item["spec"] for item in listed["items"]} == made
    await api.ok("DELETE", CRDS, labelSelector="e2e-list-test-uuid=x")
    for name in made:
        await until_gone(api, f"{CRDS}/{name}")
    await api.ok("GET", f"{CRDS}/others.example.com")


@pytest.mark.case(
    _SIMPLE + "getting/updating/patching custom resource definition status sub-resource works [Conformance]"
)
async def test_status(api) -> None:
    made = await api.ok("POST", CRDS, cluster_wide("foos"))
    path = f"{CRDS}/foos.example.com/status"
    status = await api.ok("GET", path)
    assert status["spec"] == made["spec"]
    status["status"]["conditions"].append({"message": "updated"})
    updated = await api.ok("PUT", path, status)
    assert {"message": "updated"} in [
        {"message": item["message"]} for item in updated["status"]["conditions"] if not item.get("type")
    ]
    value = [{"message": "patched"}]
    patched = await api.patch(path, [{"op": "add", "path": "/status/conditions", "value": value}], "json")
    assert [item["message"] for item in patched.json["status"]["conditions"]] == ["patched"]
    # What the server itself says comes back, and the resource was served all the time.
    told = await api.ok("GET", path)
    assert {item.get("type") for item in told["status"]["conditions"]} >= {"Established", "NamesAccepted"}
    assert (await api.ask("GET", ITEMS.format("foos"))).status == 200


@pytest.mark.case(
    _RESOURCES + "should include custom resource definition resources in discovery documents [Conformance]"
)
async def test_discovery(api) -> None:
    groups = {group["name"]: group for group in (await api.ok("GET", "/apis"))["groups"]}
    assert "v1" in [item["version"] for item in groups["apiextensions.k8s.io"]["versions"]]
    group = await api.ok("GET", "/apis/apiextensions.k8s.io")
    assert group["name"] == "apiextensions.k8s.io"
    assert "v1" in [item["version"] for item in group["versions"]]
    listed = await api.ok("GET", "/apis/apiextensions.k8s.io/v1")
    assert listed["groupVersion"] == "apiextensions.k8s.io/v1"
    assert "customresourcedefinitions" in [item["name"] for item in listed["resources"]]


@pytest.mark.case(_RESOURCES + "custom resource defaulting for requests and from storage works [Conformance]")
async def test_defaulting(api) -> None:
    text = {"type": "string"}
    await api.ok("POST", CRDS, cluster_wide("foos", {"type": "object", "properties": {"a": text, "b": text}}))
    path, crd = ITEMS.format("foos"), f"{CRDS}/foos.example.com"
    fields = "/spec/versions/0/schema/openAPIV3Schema/properties"
    await api.ok("POST", path, widget("cr-1", "Foo"))
    add = {"op": "add", "path": f"{fields}/a/default", "value": "A"}
    assert (await api.patch(crd, [add], "json")).status == 200
    assert (await api.ok("GET", f"{path}/cr-1"))["a"] == "A"
    assert (await api.ok("POST", path, widget("cr-2", "Foo")))["a"] == "A"
    change = [
        {"op": "remove", "path": f"{fields}/a/default"},
        {"op": "add", "path": f"{fields}/b/default", "value": "B"},
    ]
    assert (await api.patch(crd, change, "json")).status == 200
    second = await api.ok("GET", f"{path}/cr-2")
    assert (second["a"], second["b"]) == ("A", "B")
    first = await api.ok("GET", f"{path}/cr-1")
    assert ("a" in first, first["b"]) == (False, "B")


@pytest.mark.case(
    "[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition "
    "Watch watch on custom resource definition objects [Conformance]"
)
async def test_watching(api) -> None:
    await api.ok("POST", CRDS, cluster_wide("foos"))
    path = ITEMS.format("foos")
    watches = {
        name: asyncio.ensure_future(api.watch(path, 3, fieldSelector=f"metadata.name={name}"))
        for name in ("a", "b")
    }
    await asyncio.sleep(0.1)
    for name in watches:
        await api.ok("POST", path, widget(name, "Foo"))
    for name in watches:
        await api.patch(f"{path}/{name}", {"num": {"num1": 2}})
    for name in watches:
        await api.ok("DELETE", f"{path}/{name}")
    for name, watch in watches.items():
        events = await watch
        assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert {event["object"]["metadata"]["name"] for event in events} == {name}


@pytest.fixture
async def converter(api, hook):
    hook.answers[PATH] = answer
    await hook.publish(api)
    return hook


@pytest.mark.case(_CONVERSION + "should be able to convert from CR v1 to CR v2 [Conformance]")
async def test_converting(api, converter) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    await api.ok("POST", V1, box("one", hostPort="localhost:8080"))
    seen = await api.ok("GET", f"{V2}/one")
    assert (seen["apiVersion"], seen["host"], seen["port"]) == ("example.com/v2", "localhost", "8080")
    assert "hostPort" not in seen


@pytest.mark.case(_CONVERSION + "should be able to convert a non homogeneous list of CRs [Conformance]")
async def test_converting_a_list(api, converter) -> None:
    await api.ok("POST", CRDS, boxes(converter))
    await api.ok("POST", V1, box("one", hostPort="localhost:8080"))
    turn = [{"op": "replace", "path": f"/spec/versions/{n}/storage", "value": n == 1} for n in (0, 1)]
    assert (await api.patch(f"{CRDS}/boxes.example.com", turn, "json")).status == 200
    await api.ok("POST", V1, box("two", hostPort="localhost:8080"))
    for path, fields in ((V1, {"hostPort": "localhost:8080"}), (V2, {"host": "localhost", "port": "8080"})):
        listed = await api.ok("GET", path)
        assert names(listed) == ["one", "two"]
        for item in listed["items"]:
            assert {key: value for key, value in item.items() if key not in _COMMON} == fields


_COMMON = ("apiVersion", "kind", "metadata")


@pytest.mark.case(
    "[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors "
    "MUST list and watch custom resources matching the field selector [Conformance]"
)
async def test_selecting(api, converter) -> None:
    def fields(*paths: str) -> dict:
        return {"selectableFields": [{"jsonPath": path} for path in paths]}

    await api.ok("POST", CRDS, boxes(converter, v1=fields(".hostPort"), v2=fields(".host", ".port")))
    start = (await api.ok("GET", V2))["metadata"]["resourceVersion"]
    one = asyncio.ensure_future(api.watch(V1, 3, resourceVersion=start, fieldSelector="hostPort=host1:80"))
    two = asyncio.ensure_future(api.watch(V2, 5, resourceVersion=start, fieldSelector="host=host1"))
    await asyncio.sleep(0.1)
    for name, at in (("a", "host1:80"), ("b", "host1:8080"), ("c", "host2:80")):
        await api.ok("POST", V1, box(name, hostPort=at))
    assert names(await api.ok("GET", V1, fieldSelector="hostPort=host1:80")) == ["a"]
    assert names(await api.ok("GET", V2, fieldSelector="host=host1,port=80")) == ["a"]
    assert names(await api.ok("GET", V2, fieldSelector="host=host1")) == ["a", "b"]
    await api.patch(f"{V2}/b", {"host": "host2"})
    await api.patch(f"{V2}/c", {"host": "host1"})
    await api.ok("DELETE", V2, fieldSelector="host=host1,port=80")
    assert names(await api.ok("GET", V1)) == ["b"]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in await one] == [
        ("ADDED", "a"),
        ("ADDED", "c"),
        ("DELETED", "a"),
    ]
    told = [(event["type"], event["object"]["metadata"]["name"]) for event in await two]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b"), ("ADDED", "c"), ("DELETED", "a")]
    refused = await api.ask("GET", V1, fieldSelector="host=host1")
    assert refused.status == 400


@pytest.mark.case(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for CRDs "
    "[Conformance]"
)
async def test_aggregated_discovery(api) -> None:
    assert await told_of(api, "foos") is None
    await api.ok("POST", CRDS, cluster_wide("foos"))
    found = await told_of(api, "foos")
    assert found["responseKind"] == {"group": "example.com", "version": "v1", "kind": "Foo"}
    assert found["scope"] == "Cluster"
    await api.ok("DELETE", f"{CRDS}/foos.example.com")
    await until_gone(api, f"{CRDS}/foos.example.com")
    assert await told_of(api, "foos") is None


@pytest.mark.case(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for CRDs "
    "[Conformance]"
)
async def test_aggregated_discovery_beside_the_plain_one(api) -> None:
    await api.ok("POST", CRDS, cluster_wide("foos", app="x"))
    await api.ok("POST", CRDS, {**definition("bars"), "metadata": {"name": "bars.example.com"}})
    plain = {item["name"]: item for item in (await api.ok("GET", "/apis/example.com/v1"))["resources"]}
    for plural in ("foos", "bars"):
        found, other = await told_of(api, plural), plain[plural]
        assert (found["scope"] == "Namespaced") == other["namespaced"]
        assert found["verbs"] == other["verbs"]
        assert found["singularResource"] == other["singularName"]


async def told_of(api, plural: str):
    """Return what aggregated discovery says of a resource of the group."""
    answer = await api.ask("GET", "/apis", headers={"Accept": f"{AGGREGATED},application/json"})
    assert answer.headers["Content-Type"] == AGGREGATED
    groups = [group for group in answer.json["items"] if group["metadata"]["name"] == "example.com"]
    resources = [item for group in groups for one in group["versions"] for item in one["resources"]]
    return next((item for item in resources if item["resource"] == plural), None)
