"""What admission makes of quotas whose status is there: refusals in upstream's words; what updates take."""

import pytest

SPACE = "/api/v1/namespaces/default"
QUOTAS = f"{SPACE}/resourcequotas"


async def limited(api, hard, used=None):
    """Make a quota whose status is written by hand."""
    made = await api.ok("POST", QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    status = {"hard": hard} if used is None else {"hard": hard, "used": used}
    await api.ok("PUT", f"{QUOTAS}/q/status", {**made, "status": status})


async def used(api):
    return (await api.ok("GET", f"{QUOTAS}/q"))["status"]["used"]


def pod(**resources):
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]},
    }


async def test_nothing_is_made_while_usage_is_unknown(api):
    await limited(api, {"pods": "1", "count/pods": "1", "configmaps": "1"}, {"pods": "0", "configmaps": "0"})
    refused = await api.ask("POST", f"{SPACE}/pods", pod())
    assert (refused.status, refused.json["message"]) == (
        403,
        'pods "p" is forbidden: status unknown for quota: q, resources: count/pods,pods',
    )
    await api.ok("POST", f"{SPACE}/configmaps", {"metadata": {"name": "of-another-kind"}})


@pytest.mark.parametrize("path", ["/api/v1", "/apis/events.k8s.io/v1"])
async def test_events_are_never_counted(api, path):
    await limited(api, {"count/events": "0", "count/events.events.k8s.io": "0"})
    involved = {"kind": "Pod", "name": "p", "namespace": "default", "apiVersion": "v1"}
    body = {
        "metadata": {"name": "e"}, "reason": "r", "type": "Normal", "action": "a", "reportingController": "c",
        "reportingInstance": "i", "eventTime": "2026-01-01T00:00:00.000000Z",
        "involvedObject" if path == "/api/v1" else "regarding": involved,
    }  # fmt: skip
    if path == "/api/v1":
        body["reportingComponent"] = body.pop("reportingController")
    await api.ok("POST", f"{path}/namespaces/default/events", body)


async def test_a_pod_grows_within_the_quota_alone(api):
    await limited(api, {"requests.cpu": "1", "pods": "1"}, {"requests.cpu": "0", "pods": "0"})
    await api.ok("POST", f"{SPACE}/pods", pod(requests={"cpu": "500m"}))

    def sized(cpu):
        return {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}

    refused = await api.patch(f"{SPACE}/pods/p/resize", sized("1100m"), "strategic")
    assert refused.status == 403
    assert (
        "requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1"
        in (refused.json["message"])
    )
    assert (await api.patch(f"{SPACE}/pods/p/resize", sized("900m"), "strategic")).status == 200
    assert await used(api) == {"requests.cpu": "900m", "pods": "1"}
    # What is given back is for the controller to say, who sees whether it has been.
    assert (await api.patch(f"{SPACE}/pods/p/resize", sized("100m"), "strategic")).status == 200
    assert await used(api) == {"requests.cpu": "900m", "pods": "1"}
    labelled = {"metadata": {"labels": {"a": "b"}}}
    assert (await api.patch(f"{SPACE}/pods/p", labelled)).status == 200


async def test_a_service_that_becomes_a_node_port_takes_one(api):
    await limited(api, {"services.nodeports": "0"}, {"services.nodeports": "0"})
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    await api.ok("POST", f"{SPACE}/services", body)
    refused = await api.patch(f"{SPACE}/services/s", {"spec": {"type": "NodePort"}})
    assert refused.status == 403
    assert "requested: services.nodeports=1" in refused.json["message"]


async def test_a_dry_run_takes_nothing(api):
    await limited(api, {"configmaps": "1"}, {"configmaps": "0"})
    body = {"metadata": {"name": "c"}}
    await api.ok("POST", f"{SPACE}/configmaps", body, dryRun="All")
    assert await used(api) == {"configmaps": "0"}
    await api.ok("POST", f"{SPACE}/configmaps", body)
    again = {"metadata": {"name": "d"}}
    assert (await api.ask("POST", f"{SPACE}/configmaps", again, dryRun="All")).status == 403


async def test_a_claim_whose_volume_grows_takes_more(api):
    await limited(api, {"requests.storage": "2Gi"}, {"requests.storage": "0"})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"{SPACE}/persistentvolumeclaims"
    await api.ok("POST", claims, {"metadata": {"name": "c"}, "spec": {**spec, "storageClassName": ""}})

    def growing(size):
        return {"status": {"allocatedResources": {"storage": size}}}

    assert (await api.patch(f"{claims}/c/status", growing("3Gi"))).status == 403
    assert (await api.patch(f"{claims}/c/status", growing("2Gi"))).status == 200
    assert await used(api) == {"requests.storage": "2Gi"}
