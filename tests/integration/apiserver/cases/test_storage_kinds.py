"""Conformance cases of the kinds of storage.k8s.io, RuntimeClasses, PriorityClasses and Leases."""

import pytest

from api.types.coordination_v1 import LEASES
from api.types.node_v1 import RUNTIMECLASSES
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from api.types.scheduling_v1 import PRIORITYCLASSES
from api.types.storage_v1 import (
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    VOLUMEATTRIBUTESCLASSES,
)
from tests.integration.apiserver.cases.crud import Script, check_discovery, run

PODS = "/api/v1/namespaces/default/pods"


def _csinode(name):
    return {"spec": {"drivers": [{"name": "e2e-driver", "nodeID": name, "topologyKeys": []}]}}


def _attachment(name):
    return {
        "spec": {
            "attacher": "e2e-test.storage.k8s.io",
            "nodeName": "node-1",
            "source": {"persistentVolumeName": "pv-1"},
        }
    }


@pytest.mark.case(
    "[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance]"
)
async def test_csi_nodes(api):
    await run(api, Script(CSINODES, _csinode))
    await api.ok("POST", CSINODES.path(), {"metadata": {"name": "n"}, **_csinode("n")})
    added = {"name": "other-driver", "nodeID": "n", "topologyKeys": None}
    patched = await api.patch(f"{CSINODES.path()}/n", {"spec": {"drivers": [added]}}, "strategic")
    assert sorted(driver["name"] for driver in patched.json["spec"]["drivers"]) == [
        "e2e-driver", "other-driver",
    ]  # fmt: skip


@pytest.mark.case(
    "[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance]"
)
async def test_csi_storage_capacities(api):
    topology = {"nodeTopology": {}, "storageClassName": "some-class", "capacity": "1Gi"}
    await run(api, Script(CSISTORAGECAPACITIES, lambda name: topology))


@pytest.mark.case(
    "[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance]"
)
async def test_csi_drivers(api):
    body = {"spec": {"volumeLifecycleModes": ["Ephemeral"]}}
    await run(api, Script(CSIDRIVERS, lambda name: body))
    made = await api.ok("POST", CSIDRIVERS.path(), {"metadata": {"name": "d"}, **body})
    wanted = {
        "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "seLinuxMount": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType", "requiresRepublish": False,
        "volumeLifecycleModes": ["Ephemeral"],
    }  # fmt: skip
    assert {name: made["spec"].get(name) for name in wanted} == wanted


@pytest.mark.case(
    "[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass "
    "[Conformance]"
)
async def test_storage_classes(api):
    await run(api, Script(STORAGECLASSES, lambda name: {"provisioner": "e2e-fake-provisioner"}))
    made = await api.ok("POST", STORAGECLASSES.path(), {"metadata": {"name": "s"}, "provisioner": "e2e-fake"})
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")


@pytest.mark.case(
    "[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment "
    "[Conformance]"
)
async def test_volume_attachments(api):
    await run(api, Script(VOLUMEATTACHMENTS, _attachment))


@pytest.mark.case(
    "[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status "
    "[Conformance]"
)
async def test_the_status_of_volume_attachments(api):
    path = VOLUMEATTACHMENTS.path()
    made = await api.ok("POST", path, {"metadata": {"name": "va"}, **_attachment("va")})
    assert made["status"] == {"attached": False}
    status = f"{path}/va/status"
    note = {"metadata": {"annotations": {"a": "b"}}}
    patched = (await api.patch(status, {**note, "status": {"attached": True}})).json
    assert patched["status"]["attached"] is True
    assert "annotations" not in patched["metadata"]
    replaced = await api.ok("PUT", status, {**patched, "status": {"attached": False}})
    assert replaced["status"]["attached"] is False
    assert (await api.ok("GET", status))["metadata"]["uid"] == made["metadata"]["uid"]
    main = await api.ok("PUT", f"{path}/va", {**replaced, "status": {"attached": True}})
    assert main["status"]["attached"] is False
    await api.ok("DELETE", f"{path}/va")
    assert (await api.ask("GET", f"{path}/va")).status == 404


@pytest.mark.case(
    "[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the "
    "lifecycle of a VolumeAttributesClass [Conformance]"
)
async def test_volume_attributes_classes(api):
    body = {"driverName": "e2e-fake-csi-driver", "parameters": {"foo": "bar"}}
    await run(api, Script(VOLUMEATTRIBUTESCLASSES, lambda name: body))


@pytest.mark.case("[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]")
async def test_runtime_classes(api):
    await run(api, Script(RUNTIMECLASSES, lambda name: {"handler": "runc"}))


@pytest.mark.parametrize(
    "delete",
    [
        pytest.param(
            False,
            marks=pytest.mark.case(
                "[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass "
                "[NodeConformance] [Conformance]"
            ),
            id="never-there",
        ),
        pytest.param(
            True,
            marks=pytest.mark.case(
                "[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass "
                "[NodeConformance] [Conformance]"
            ),
            id="deleted",
        ),
    ],
)
async def test_pods_of_missing_runtime_classes_are_refused(api, delete):
    if delete:
        await api.ok("POST", RUNTIMECLASSES.path(), {"metadata": {"name": "rc"}, "handler": "runc"})
        await api.ok("DELETE", f"{RUNTIMECLASSES.path()}/rc")
    spec = {"runtimeClassName": "rc", "containers": [{"name": "c", "image": "i:1"}]}
    answer = await api.ask("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert 'pod rejected: RuntimeClass "rc" not found' in answer.json["message"]


@pytest.mark.case(
    "[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints "
    "can be operated with different HTTP methods [Conformance]"
)
async def test_priority_classes(api):
    path = PRIORITYCLASSES.path()
    await check_discovery(api, PRIORITYCLASSES)
    for number, name in enumerate(("p1", "p2")):
        await api.ok("POST", path, {"metadata": {"name": name}, "value": number + 1})
    before = await api.ok("GET", f"{path}/p1")
    refused = await api.patch(f"{path}/p1", {"value": 10})
    assert (refused.status, refused.json["reason"]) == (422, "Invalid")
    assert "may not be changed in an update." in refused.json["message"]
    changed = await api.patch(f"{path}/p1", {"description": "a new description"})
    assert changed.json["description"] == "a new description"
    put = await api.ask("PUT", f"{path}/p2", {**await api.ok("GET", f"{path}/p2"), "value": 7})
    assert put.status == 422
    labelled = await api.patch(f"{path}/p2", {"metadata": {"labels": {"kind": "test"}}}, "strategic")
    assert (labelled.json["value"], before["value"]) == (2, 1)
    await api.ok("DELETE", path, labelSelector="kind=test")
    assert (await api.ask("GET", f"{path}/p2")).status == 404


@pytest.mark.case("[sig-node] Lease lease API should be available [Conformance]")
async def test_leases(api):
    spec = {
        "holderIdentity": "holder", "leaseDurationSeconds": 30, "leaseTransitions": 0,
        "acquireTime": "0001-01-01T00:00:02.000000Z", "renewTime": "0001-01-01T00:00:05.000000Z",
    }  # fmt: skip
    path = LEASES.path("default")
    made = await api.ok("POST", path, {"metadata": {"name": "lease"}, "spec": spec})
    assert (await api.ok("GET", f"{path}/lease"))["spec"] == spec == made["spec"]
    other = {**spec, "acquireTime": "0001-01-01T00:00:50.000000Z", "holderIdentity": "other"}
    assert (await api.ok("PUT", f"{path}/lease", {**made, "spec": other}))["spec"] == other
    last = {"renewTime": "0001-01-01T00:01:10.000000Z", "leaseTransitions": 1}
    patched = await api.patch(f"{path}/lease", {"spec": last}, "strategic")
    assert patched.json["spec"] == {**other, **last}
    await api.ok("POST", path, {"metadata": {"name": "second", "labels": {"x": "y"}}, "spec": spec})
    assert len((await api.ok("GET", path))["items"]) == 2
    await api.ok("DELETE", path, labelSelector="x=y")
    assert [item["metadata"]["name"] for item in (await api.ok("GET", path))["items"]] == ["lease"]
    await api.ok("DELETE", f"{path}/lease")
    assert (await api.ask("GET", f"{path}/lease")).status == 404
    assert (await api.ask("GET", LEASES.path())).status == 200


async def test_the_script_on_disruption_budgets_and_leases(api):
    spec = {"selector": {"matchLabels": {"a": "b"}}, "minAvailable": 1}
    counts = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    status = ({**counts, "expectedPods": 2}, {**counts, "expectedPods": 3})
    await run(api, Script(PODDISRUPTIONBUDGETS, lambda name: {"spec": spec}, status=status))
    await run(api, Script(LEASES, lambda name: {"spec": {"holderIdentity": "h"}}))
