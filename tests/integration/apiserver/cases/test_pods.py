"""Conformance cases of pods and nodes, as far as the API server decides them."""

import pytest

PODS = "/api/v1/namespaces/default/pods"
RESOURCES = {"cpu": "100m", "memory": "100Mi"}


def pod(name="p", container=None, labels=None, **spec):
    containers = [{"name": "test", "image": "registry.k8s.io/pause:3.10", **(container or {})}]
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"metadata": metadata, "spec": {"containers": containers, **spec}}


@pytest.mark.case(
    "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and "
    "limits for memory and cpu [Conformance]"
)
async def test_quality_of_service(api):
    await api.ok("POST", PODS, pod(container={"resources": {"limits": RESOURCES, "requests": RESOURCES}}))
    found = await api.ok("GET", f"{PODS}/p")
    assert found["status"]["qosClass"] == "Guaranteed"
    assert found["status"]["phase"] == "Pending"


@pytest.mark.case(
    "[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls [Conformance]"
)
async def test_sysctls(api):
    named = ("foo-", "kernel.shmmax", "safe-and-unsafe", "bar..")
    sysctls = [{"name": name, "value": "bar"} for name in named]
    answer = await api.ask("POST", PODS, pod(securityContext={"sysctls": sysctls}))
    message = answer.json["message"]
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")
    assert 'Invalid value: "foo-"' in message
    assert 'Invalid value: "bar.."' in message
    assert "safe-and-unsafe" not in message
    assert "kernel.shmmax" not in message


NODE_READY = {"type": "Ready", "status": "True", "message": "Set from e2e test", "reason": "E2E"}


@pytest.mark.case("[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]")
async def test_life_of_a_node(api):
    name, path = "e2e-fake-node-abcde", "/api/v1/nodes/e2e-fake-node-abcde"
    body = {
        "metadata": {"name": name},
        "spec": {"unschedulable": True},
        "status": {"conditions": [NODE_READY]},
    }
    made = await api.ok("POST", "/api/v1/nodes", body)
    assert made["status"]["conditions"] == [NODE_READY]
    assert made["spec"]["unschedulable"] is True
    assert (await api.ok("GET", path))["metadata"]["uid"] == made["metadata"]["uid"]
    patched = (await api.patch(path, {"metadata": {"labels": {name: "patched"}}}, "strategic")).json
    assert patched["metadata"]["labels"][name] == "patched"
    patched["metadata"]["labels"][name] = "updated"
    assert (await api.ok("PUT", path, patched))["metadata"]["labels"][name] == "updated"
    await api.ok("DELETE", path)
    assert (await api.ask("GET", path)).status == 404


DRIVERS = "/apis/storage.k8s.io/v1/csidrivers"


@pytest.mark.case("[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]")
async def test_inline_volumes(api):
    spec = {"podInfoOnMount": True, "attachRequired": False, "volumeLifecycleModes": ["Ephemeral"]}
    await api.ok("POST", DRIVERS, {"metadata": {"name": "inline-driver"}, "spec": spec})
    source = {"driver": "inline-driver", "readOnly": True, "volumeAttributes": {"csi.e2e.inline": "1"}}
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/data"}]}
    volumes = [{"name": "v", "csi": source}]
    labels = {"e2e": "inline"}
    await api.ok("POST", PODS, pod("with-csi", mounts, labels=labels, volumes=volumes))
    found = await api.ok("GET", f"{PODS}/with-csi")
    assert found["spec"]["volumes"][0] == {"name": "v", "csi": source}
    listed = await api.ok("GET", PODS, labelSelector="e2e=inline")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["with-csi"]
    patched = (await api.patch(f"{PODS}/with-csi", {"metadata": {"annotations": {"patched": "yes"}}})).json
    assert patched["metadata"]["annotations"]["patched"] == "yes"
    await api.ok("DELETE", f"{PODS}/with-csi")
    assert (await api.ask("GET", f"{PODS}/with-csi")).status == 404


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
STRICT = {"fieldValidation": "Strict", "fieldManager": "field_validation_mgr"}
INVALID = 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'


def deployment(name, metadata="", spec=""):
    return (
        f'{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}",{metadata}'
        f'"labels":{{"app":"nginx"}}}},"spec":{{{spec}"selector":{{"matchLabels":{{"app":"nginx"}}}},'
        '"template":{"metadata":{"labels":{"app":"nginx"}},"spec":{"containers":[{"name":"nginx",'
        '"image":"nginx:latest"}]}}}}'
    ).encode()


FIELDS = "[sig-api-machinery] FieldValidation should detect "


@pytest.mark.case(FIELDS + "unknown and duplicate fields of a typed object [Conformance]")
async def test_unknown_and_double_fields(api):
    body = deployment("d", spec='"unknownField":"foo","replicas":2,"replicas":3,')
    for method, path in (("POST", DEPLOYMENTS), ("PUT", f"{DEPLOYMENTS}/d")):
        answer = await api.ask(method, path, body, **STRICT)
        assert answer.status in (400, 422)
        assert INVALID in answer.json["message"]
    assert (await api.ask("GET", f"{DEPLOYMENTS}/d")).status == 404


@pytest.mark.case(FIELDS + "unknown metadata fields of a typed object [Conformance]")
async def test_unknown_metadata(api):
    body = deployment("d", metadata='"unknownMeta":"metaVal",')
    answer = await api.ask("POST", DEPLOYMENTS, body, **STRICT)
    assert answer.status in (400, 422)
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in answer.json["message"]
