"""PodGroups and Workloads on a server with the alpha feature on, and what one without makes of them."""

from typing import Any

import pytest

from api.types.apiregistration_v1 import APISERVICES
from apiserver.app import build
from apiserver.config import Config
from store.memory import MemoryBackend
from tests.integration.in_process import client_of

ROOT = "/apis/scheduling.k8s.io/v1alpha2"
GROUPS, WORKLOADS = f"{ROOT}/namespaces/default/podgroups", f"{ROOT}/namespaces/default/workloads"
PODS = "/api/v1/namespaces/default/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
FLAGS: dict[str, Any] = {
    "feature_gates": ("GenericWorkload=true",),
    "runtime_config": ("scheduling.k8s.io/v1alpha2=true",),
}
CONDITION = {
    "type": "PodGroupScheduled",
    "status": "True",
    "reason": "Scheduled",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def settings(request: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(request, "param", FLAGS)
    return found


def group(name: str = "g", **spec: Any) -> dict[str, Any]:
    policy = {"gang": {"minCount": 3}}
    return {"metadata": {"name": name}, "spec": {"schedulingPolicy": policy, **spec}}


def pod(name: str = "p") -> dict[str, Any]:
    containers = [{"name": "c", "image": "i"}]
    spec = {"containers": containers, "schedulingGroup": {"podGroupName": "g"}}
    return {"metadata": {"name": name}, "spec": spec}


async def test_a_group_lives(api: Any) -> None:
    sent = group(priority=5, disruptionMode="Pod")
    made = await api.ok("POST", GROUPS, {**sent, "status": {"conditions": [CONDITION]}})
    assert made["spec"] == {"schedulingPolicy": {"gang": {"minCount": 3}}}
    assert made["status"] == {}
    assert "generation" not in made["metadata"]
    bad = await api.patch(f"{GROUPS}/g", {"spec": {"schedulingPolicy": {"gang": {"minCount": 2}}}})
    assert bad.status == 422
    assert "field is immutable" in bad.json["message"]
    labelled = await api.patch(f"{GROUPS}/g", {"metadata": {"labels": {"a": "b"}}, "status": None})
    assert labelled.json["metadata"]["labels"] == {"a": "b"}
    status = {"metadata": {"labels": {"a": "c"}}, "status": {"conditions": [CONDITION]}}
    told = await api.patch(f"{GROUPS}/g/status", status)
    assert told.json["status"] == {"conditions": [CONDITION]}
    assert told.json["metadata"]["labels"] == {"a": "b"}
    table = await api.ok("GET", GROUPS, headers=TABLE)
    assert table["rows"][0]["cells"][:3] == ["g", "gang of 3", "True"]
    await api.ok("DELETE", f"{GROUPS}/g")


async def test_groups_of_templates(api: Any) -> None:
    def of(workload: str, template: str) -> dict[str, Any]:
        reference = {"workload": {"workloadName": workload, "podGroupTemplateName": template}}
        return group(podGroupTemplateRef=reference)

    missing = await api.ask("POST", GROUPS, of("w", "t"))
    assert missing.status == 403
    assert missing.json["message"].endswith('PodGroup rejected: Workload "w" not found')
    templates = [{"name": "t", "schedulingPolicy": {"basic": {}}, "priorityClassName": "high"}]
    made = await api.ok(
        "POST", WORKLOADS, {"metadata": {"name": "w"}, "spec": {"podGroupTemplates": templates}}
    )
    assert made["spec"]["podGroupTemplates"] == [{"name": "t", "schedulingPolicy": {"basic": {}}}]
    other = await api.ask("POST", GROUPS, of("w", "u"))
    assert other.status == 403
    assert 'PodGroupTemplate "u" not found in Workload "w"' in other.json["message"]
    await api.ok("POST", GROUPS, of("w", "t"))
    table = await api.ok("GET", WORKLOADS, headers=TABLE)
    assert table["rows"][0]["cells"][:3] == ["w", "t", "<none>"]


async def test_pods_keep_their_group(api: Any) -> None:
    made = await api.ok("POST", PODS, pod())
    assert made["spec"]["schedulingGroup"] == {"podGroupName": "g"}
    moved = await api.patch(f"{PODS}/p", {"spec": {"schedulingGroup": {"podGroupName": "h"}}})
    assert moved.status == 422


async def test_a_job_of_a_gang_keeps_its_parallelism(api: Any) -> None:
    template = {"spec": {**pod()["spec"], "restartPolicy": "Never"}}
    bare = {"spec": {**template["spec"], "schedulingGroup": None}}
    for name, each in (("named", template), ("owner", bare), ("single", bare)):
        spec = {"parallelism": 3, "completions": 3, "template": each}
        await api.ok("POST", JOBS, {"metadata": {"name": name}, "spec": spec})
    uid = (await api.ok("GET", f"{JOBS}/owner"))["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "owner", "uid": uid, "controller": True}
    more, same = {"spec": {"parallelism": 4}}, {"spec": {"suspend": True}}
    assert (await api.patch(f"{JOBS}/named", more)).status == 200, "there is no such group yet"
    await api.ok("POST", GROUPS, group())
    await api.ok("POST", GROUPS, {**group("h"), "metadata": {"name": "h", "ownerReferences": [owner]}})
    text = "cannot change parallelism for a Job referencing gang-scheduled PodGroup"
    for name, of in (("named", "g"), ("owner", "h")):
        bad = await api.patch(f"{JOBS}/{name}", {"spec": {"parallelism": 5}})
        assert bad.status == 403
        assert bad.json["message"] == f'jobs.batch "{name}" is forbidden: {text} "{of}"'
        assert (await api.patch(f"{JOBS}/{name}", same)).status == 200
    assert (await api.patch(f"{JOBS}/single", more)).status == 200


async def test_both_are_told_of(api: Any) -> None:
    found = await api.ok("GET", ROOT)
    assert [item["name"] for item in found["resources"]] == ["podgroups", "podgroups/status", "workloads"]
    versions = (await api.ok("GET", "/apis/scheduling.k8s.io"))["versions"]
    assert [item["version"] for item in versions] == ["v1", "v1alpha2"]
    document = await api.ok("GET", f"/openapi/v3{ROOT}")
    assert "io.k8s.api.scheduling.v1alpha2.PodGroup" in document["components"]["schemas"]


@pytest.mark.parametrize("settings", [{}], indirect=True)
async def test_a_plain_server_knows_neither(api: Any) -> None:
    for path in (ROOT, GROUPS, f"{WORKLOADS}/w"):
        assert (await api.ask("GET", path)).status == 404
    assert (await api.ask("POST", GROUPS, group())).status == 404
    made = await api.ok("POST", PODS, pod())
    assert "schedulingGroup" not in made["spec"]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    made = await api.ok("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    assert "schedulingGroup" not in made["spec"]["template"]["spec"]
    versions = (await api.ok("GET", "/apis/scheduling.k8s.io"))["versions"]
    assert [item["version"] for item in versions] == ["v1"]


async def test_the_feature_may_be_turned_off_again() -> None:
    backend, name = MemoryBackend(), "v1alpha2.scheduling.k8s.io"
    for flags, there in ((FLAGS, True), ({}, False), (FLAGS, True)):
        server = await build(Config(disable_admission_plugins=("ServiceAccount",), **flags), backend)
        client = client_of(server)
        services = {item["metadata"]["name"] for item in (await client.list(APISERVICES)).items}
        assert (name in services) is there
        await server.close()
    await backend.close()
