"""What may be done to a pod through the API: updates, resizing, debugging, status, eviction, deletion."""

import pytest

PODS = "/api/v1/namespaces/default/pods"
P = f"{PODS}/p"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
RESOURCES = {"cpu": "100m", "memory": "100Mi"}


def body(**spec):
    resources = {"resources": {"limits": RESOURCES, "requests": RESOURCES}}
    container = {"name": "c", "image": "i:1", **resources}
    metadata = {"name": "p", "labels": {"app": "a"}, "generation": 100}
    return {"metadata": metadata, "spec": {"containers": [container], "nodeName": "n", **spec}}


@pytest.fixture
async def pod(api):
    return await api.ok("POST", PODS, body())


async def change(api, **spec):
    found = await api.ok("GET", P)
    return await api.ok("PUT", P, {**found, "spec": {**found["spec"], **spec}})


async def test_the_generation_counts_changes_of_what_is_wanted(api, pod):
    assert pod["metadata"]["generation"] == 1
    toleration = {"key": "foo", "operator": "Exists", "effect": "NoSchedule"}
    changed = await change(api, tolerations=[toleration])
    assert changed["metadata"]["generation"] == 2
    assert toleration in changed["spec"]["tolerations"]
    assert len(changed["spec"]["tolerations"]) == 3
    assert (await change(api, activeDeadlineSeconds=5000))["metadata"]["generation"] == 3
    containers = [{**changed["spec"]["containers"][0], "image": "i:2"}]
    assert (await change(api, containers=containers))["metadata"]["generation"] == 4
    assert (await change(api))["metadata"]["generation"] == 4
    noted = await api.patch(P, {"metadata": {"annotations": {"a": "b"}, "generation": 7}})
    assert noted.json["metadata"]["generation"] == 4
    debugger = {"spec": {"ephemeralContainers": [{"name": "d", "image": "busybox"}]}}
    answer = await api.patch(f"{P}/ephemeralcontainers", debugger, "strategic")
    assert answer.json["metadata"]["generation"] == 5
    (container,) = answer.json["spec"]["ephemeralContainers"]
    assert container["imagePullPolicy"] == "Always"
    assert container["terminationMessagePolicy"] == "File"
    sized = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "200m"},
                                                                 "requests": {"cpu": "200m"}}}]}}  # fmt: skip
    answer = await api.patch(f"{P}/resize", sized, "strategic")
    assert answer.json["metadata"]["generation"] == 6
    assert answer.json["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "200m", "memory": "100Mi"}
    assert answer.json["status"]["qosClass"] == "Guaranteed"
    dying = await api.ok("DELETE", P, gracePeriodSeconds="60")
    assert dying["metadata"]["generation"] == 7
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 60
    again = await api.ok("DELETE", P, gracePeriodSeconds="5")
    assert (again["metadata"]["generation"], again["metadata"]["deletionGracePeriodSeconds"]) == (7, 5)
    await api.ok("DELETE", P, gracePeriodSeconds="0")
    assert (await api.ask("GET", P)).status == 404


async def refusal(answer):
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")
    return [(cause["field"], cause["message"]) for cause in answer.json["details"]["causes"]]


async def test_what_resizing_refuses(api, pod):
    async def causes(container, kind="strategic"):
        return await refusal(await api.patch(f"{P}/resize", {"spec": {"containers": [container]}}, kind))

    unlike = {"name": "c", "resources": {"requests": {"cpu": "50m"}}}
    assert ("spec", 'Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing') in (
        await causes(unlike)
    )
    gone = {"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}
    assert ("spec.containers[0].resources.limits", "Forbidden: resource limits cannot be removed") in (
        await causes(gone, "merge")
    )
    renamed = {**gone, "name": "other", "resources": {"limits": RESOURCES, "requests": RESOURCES}}
    assert (
        "spec.containers",
        "Forbidden: containers may not be renamed or reordered on resize",
    ) in await causes(renamed, "merge")
    storage = {"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "1Gi"}}
    assert ("spec", "Forbidden: only cpu and memory resources are mutable") in (
        await causes({"name": "c", "resources": storage})
    )


async def test_an_update_may_change_little(api, pod):
    answer = await api.patch(P, {"spec": {"hostname": "x"}})
    ((path, message),) = await refusal(answer)
    assert path == "spec"
    assert message.startswith(
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )
    added = {"spec": {"containers": [{"name": "d", "image": "i"}]}}
    assert await refusal(await api.patch(P, added, "strategic")) == [
        ("spec.containers", "Forbidden: pod updates may not add or remove containers")
    ]


async def test_status(api, pod):
    patch = {"status": {"phase": "Running", "podIP": "10.0.0.1", "message": "m", "conditions": [
        {"type": "Ready", "status": "True"}]}}  # fmt: skip
    status = (await api.patch(f"{P}/status", patch)).json["status"]
    assert (status["podIPs"], status["qosClass"]) == ([{"ip": "10.0.0.1"}], "Guaranteed")
    found = await api.ok("GET", f"{P}/status")
    found["metadata"].pop("resourceVersion")
    conditions = [{"type": "Ready", "status": "False"}]
    put = await api.ok(
        "PUT", f"{P}/status", {**found, "status": {**found["status"], "conditions": conditions}}
    )
    assert put["status"]["conditions"] == conditions
    changed = {**found, "status": {**found["status"], "qosClass": "BestEffort"}}
    assert await refusal(await api.ask("PUT", f"{P}/status", changed)) == [
        ("status.qosClass", 'Invalid value: "BestEffort": field is immutable')
    ]


async def budget(api, allowed):
    spec = {"selector": {"matchLabels": {"app": "a"}}, "minAvailable": 1}
    await api.ok("POST", BUDGETS, {"metadata": {"name": "b"}, "spec": spec})
    status = {
        "observedGeneration": 1, "disruptionsAllowed": allowed, "desiredHealthy": 1, "currentHealthy": 1,
        "expectedPods": 1,
    }  # fmt: skip
    answer = await api.patch(f"{BUDGETS}/b/status", {"status": status})
    assert answer.status == 200, answer.body
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert (await api.patch(f"{P}/status", ready)).status == 200


EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}


async def test_an_eviction_that_the_budget_refuses(api, pod):
    await budget(api, 0)
    answer = await api.ask("POST", f"{P}/eviction", EVICTION)
    assert (answer.status, answer.json["reason"]) == (429, "TooManyRequests")
    assert answer.json["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
        }
    ]
    assert "deletionTimestamp" not in (await api.ok("GET", P))["metadata"]


async def test_an_eviction(api, pod):
    await budget(api, 1)
    await api.ok("POST", f"{P}/eviction", EVICTION, dryRun="All")
    await api.ok("POST", f"{P}/eviction", {**EVICTION, "deleteOptions": {"dryRun": ["All"]}})
    assert "deletionTimestamp" not in (await api.ok("GET", P))["metadata"]
    assert (await api.ok("GET", f"{BUDGETS}/b"))["status"]["disruptionsAllowed"] == 1
    answer = await api.ask("POST", f"{P}/eviction", EVICTION)
    assert (answer.status, answer.json["status"]) == (201, "Success")
    found = await api.ok("GET", P)
    assert found["metadata"]["deletionGracePeriodSeconds"] == 30
    condition = found["status"]["conditions"][-1]
    assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "EvictionByEvictionAPI")
    status = (await api.ok("GET", f"{BUDGETS}/b"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])


async def test_an_eviction_of_another_pod_of_that_name(api, pod):
    wrong = {**EVICTION, "deleteOptions": {"preconditions": {"uid": "other"}}}
    assert (await api.ask("POST", f"{P}/eviction", wrong)).status == 409
    assert "deletionTimestamp" not in (await api.ok("GET", P))["metadata"]


async def test_binding(api):
    await api.ok("POST", PODS, body(nodeName=""))
    target = {"target": {"kind": "Node", "name": "n1"}}
    odd = {"metadata": {"name": "p"}, "target": {"kind": "Pod"}}
    assert await refusal(await api.ask("POST", f"{P}/binding", odd)) == [
        ("target.kind", 'Unsupported value: "Pod": supported values: "Node", "<empty>"'),
        ("target.name", "Required value"),
    ]
    await api.patch(f"{P}/status", {"status": {"nominatedNodeName": "n1"}})
    await api.ok("POST", f"{P}/binding", {"metadata": {"name": "p"}, **target})
    found = await api.ok("GET", P)
    assert found["spec"]["nodeName"] == "n1"
    assert "nominatedNodeName" not in found["status"]
    again = await api.ask("POST", f"{P}/binding", {"metadata": {"name": "p"}, **target})
    assert (again.status, again.json["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    )


async def test_scale(api):
    path = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await api.ok("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    found = await api.ok("GET", f"{path}/d/scale")
    assert (found["spec"], found["status"]) == ({"replicas": 1}, {"replicas": 0, "selector": "a=b"})
    found["metadata"].pop("resourceVersion")
    scaled = await api.ok("PUT", f"{path}/d/scale", {**found, "spec": {"replicas": 3}})
    assert scaled["spec"] == {"replicas": 3}
    assert (await api.ok("GET", f"{path}/d"))["metadata"]["generation"] == 2
    answer = await api.patch(f"{path}/d/scale", {"spec": {"replicas": -1}})
    assert await refusal(answer) == [
        ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0")
    ]
    scaled = (await api.patch(f"{path}/d/scale", {"spec": {"replicas": 4}}, "strategic")).json
    assert scaled["spec"] == {"replicas": 4}
