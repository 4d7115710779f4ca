"""Conformance cases of the kinds of resource.k8s.io."""

from typing import Any

import pytest

from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCECLAIMTEMPLATES, RESOURCESLICES
from apiserver.resources.catalog import strategy_of
from kit.apart import HEAVY_BYTES
from tests.integration.apiserver.cases.crud import Script, run, watching

REQUEST = {"name": "req-0", "exactly": {"deviceClassName": "example-class"}}
CLAIM_SPEC = {"devices": {"requests": [REQUEST]}}
RESULT = {"request": "req-0", "driver": "dra.example.com", "pool": "pool", "device": "device"}
ALLOCATION = {"devices": {"results": [RESULT]}}


async def exercise(api, script, change):
    """Create, update, patch in every way, delete, create again; the informers' watches see each step.

    `change` is a field that updates may change, as a merge patch.
    """
    path, name = script.path("item"), "item"
    strict = {"fieldValidation": "Strict"}
    revision = (await api.ok("GET", script.resource.path()))["metadata"]["resourceVersion"]
    async with watching(api, script.resource.path(), resourceVersion=revision) as watch:
        made = await api.ok("POST", script.path(), script.labelled(name), **strict)
        assert (await api.ok("GET", path)) == made
        labelled = {**made, "metadata": {**made["metadata"], "labels": {"put": "yes"}}}
        assert (await api.ok("PUT", path, labelled, **strict))["metadata"]["labels"] == {"put": "yes"}
        for number, kind in enumerate(("strategic", "apply", "merge", "json")):
            patched = await patch(api, path, script, kind, f"n{number}")
            assert patched["metadata"]["labels"][kind] == f"n{number}"
        if change:
            assert (await api.patch(path, change)).status == 200
        await api.ok("DELETE", path)
        kinds = [await watch.event() for _ in range(6 + bool(change))]
        assert [kind for kind, _ in kinds[:-1]] == ["ADDED", *["MODIFIED"] * (len(kinds) - 2)]
        kind, gone = await watch.event()
        assert (kind, gone["metadata"]["uid"]) == ("DELETED", made["metadata"]["uid"])
    again = await api.ok("POST", script.path(), script.labelled(name))
    assert again["metadata"]["uid"] != made["metadata"]["uid"]
    await api.ok("DELETE", script.path())
    assert (await api.ask("GET", path)).status == 404


async def patch(api, path, script, kind, value):
    body: Any = {"metadata": {"labels": {kind: value}}}
    query = {}
    if kind == "json":
        body = [{"op": "add", "path": f"/metadata/labels/{kind}", "value": value}]
    if kind == "apply":
        body = {**script.labelled("item"), "metadata": {"name": "item", "labels": {kind: value}}}
        query = {"fieldManager": "test-apply", "force": "true"}
    answer = await api.patch(path, body, kind, fieldValidation="Strict", **query)
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.case("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance]")
async def test_device_classes(api):
    script = Script(DEVICECLASSES, lambda name: {"spec": {"selectors": []}})
    await run(api, script)
    await exercise(api, script, {"spec": {"extendedResourceName": "example.com/gpu"}})


@pytest.mark.case("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]")
async def test_resource_claims(api):
    script = Script(RESOURCECLAIMS, lambda name: {"spec": CLAIM_SPEC})
    await run(api, script)
    await exercise(api, script, None)
    made = await api.ok("POST", script.path(), script.labelled("c"))
    assert made["spec"]["devices"]["requests"] == [
        {
            "name": "req-0",
            "exactly": {"deviceClassName": "example-class", "allocationMode": "ExactCount", "count": 1},
        }
    ]
    status = script.path("c", "status")
    given = await api.ok("PUT", status, {**made, "status": {"allocation": ALLOCATION}})
    assert given["status"]["allocation"]["devices"]["results"] == [RESULT]
    pod = {"resource": "pods", "name": "p", "uid": "1-2"}
    applied = {
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"},
        "status": {"reservedFor": [pod]},
    }  # fmt: skip
    for kind, body in (("strategic", {"status": {"reservedFor": [pod]}}), ("apply", applied)):
        query = {"fieldManager": "test-apply", "force": "true"} if kind == "apply" else {}
        answer = await api.patch(status, body, kind, fieldValidation="Strict", **query)
        assert answer.json["status"]["reservedFor"] == [pod], answer.body
    report = {**RESULT, "data": {"mac": "x"}}
    del report["request"]
    reported = await api.patch(status, {"status": {"devices": [report]}})
    assert reported.json["status"]["devices"] == [report]
    moved = {"status": {"allocation": {"devices": {"results": [{**RESULT, "device": "other"}]}}}}
    assert (await api.patch(status, moved)).status == 422
    freed = await api.patch(status, {"status": {"allocation": None, "reservedFor": None}})
    assert freed.json["status"] == {}
    assert (await api.ok("GET", status))["kind"] == "ResourceClaim"


@pytest.mark.case("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance]")
async def test_resource_claim_templates(api):
    script = Script(RESOURCECLAIMTEMPLATES, lambda name: {"spec": {"spec": CLAIM_SPEC}})
    await run(api, script)
    await exercise(api, script, None)


@pytest.mark.case("[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance]")
async def test_resource_slices(api):
    def body(name):
        pool = {"name": "cluster", "resourceSliceCount": 1}
        devices = [{"name": "device-0", "taints": [{"key": "example.com/bad", "effect": "NoSchedule"}]}]
        return {"spec": {"nodeName": "n", "pool": pool, "driver": "dra.example.com", "devices": devices}}

    script = Script(RESOURCESLICES, body)
    await run(api, script)
    await exercise(api, script, {"spec": {"pool": {"generation": 2}}})
    made = await api.ok("POST", script.path(), script.labelled("s"))
    assert made["spec"]["devices"][0]["taints"][0]["timeAdded"]
    for selector, count in (
        ("spec.nodeName=n", 1),
        ("spec.nodeName=other", 0),
        ("spec.driver=dra.example.com", 1),
    ):
        assert len((await api.ok("GET", script.path(), fieldSelector=selector))["items"]) == count
    upper = script.labelled("t")
    upper["spec"]["driver"] = "DRA.example.com"
    answer = await api.ask("POST", script.path(), upper)
    assert "driver names should be lowercase" in answer.headers["Warning"]
    labelled = await api.patch(script.path("t"), {"metadata": {"labels": {"a": "b"}}})
    assert "driver names should be lowercase" in labelled.headers["Warning"]


async def test_admin_access_needs_the_label_of_the_namespace(api):
    exactly = {"deviceClassName": "c", "adminAccess": True}
    spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
    for path, body in (
        (RESOURCECLAIMS.path("default"), {"metadata": {"name": "a"}, "spec": spec}),
        (RESOURCECLAIMTEMPLATES.path("default"), {"metadata": {"name": "a"}, "spec": {"spec": spec}}),
    ):
        answer = await api.ask("POST", path, body)
        assert answer.status == 422
        assert answer.json["details"]["causes"] == [
            {
                "reason": "FieldValueForbidden",
                "field": "spec.devices.requests[0].adminAccess",
                "message": "Forbidden: admin access to devices requires the "
                "`resource.kubernetes.io/admin-access: true` label on the containing namespace",
            }
        ]
    labels = {"resource.kubernetes.io/admin-access": "true"}
    await api.patch("/api/v1/namespaces/default", {"metadata": {"labels": labels}})
    await api.ok("POST", RESOURCECLAIMS.path("default"), {"metadata": {"name": "a"}, "spec": spec})


@pytest.mark.parametrize("resource", [DEVICECLASSES, RESOURCECLAIMS, RESOURCECLAIMTEMPLATES])
def test_compiling_long_selectors_is_done_apart(resource):
    assert 4096 * strategy_of(resource).dearness >= HEAVY_BYTES


async def test_selectors_must_compile(api):
    exactly = {"deviceClassName": "c", "selectors": [{"cel": {"expression": "devise"}}]}
    spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
    answer = await api.ask(
        "POST", RESOURCECLAIMS.path("default"), {"metadata": {"name": "bad"}, "spec": spec}
    )
    assert answer.status == 422
    [cause] = answer.json["details"]["causes"]
    assert cause["field"] == "spec.devices.requests[0].exactly.selectors[0].cel.expression"
    assert "compilation failed: ERROR: <input>:1:1: undeclared reference to 'devise'" in cause["message"]
