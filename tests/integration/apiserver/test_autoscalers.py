"""Autoscalers in two versions of one group."""

from api.types.autoscaling_v1 import HORIZONTALPODAUTOSCALERS as V1
from api.types.autoscaling_v2 import HORIZONTALPODAUTOSCALERS as V2

TARGET = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}


async def test_one_object_in_two_versions(api):
    spec = {"maxReplicas": 3, "scaleTargetRef": TARGET}
    made = await api.ok("POST", V1.path("default"), {"metadata": {"name": "a"}, "spec": spec})
    assert made["spec"] == {**spec, "minReplicas": 1, "targetCPUUtilizationPercentage": 80}
    new = await api.ok("GET", V2.path("default", "a"))
    [metric] = new["spec"]["metrics"]
    assert metric["resource"] == {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
    }  # fmt: skip
    target = {"type": "AverageValue", "averageValue": "5"}
    pods = {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": target}}
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 10}}
    await api.patch(V2.path("default", "a"), {"spec": {"metrics": [pods, metric], "behavior": behavior}})
    old = await api.ok("GET", V1.path("default", "a"))
    assert old["spec"]["targetCPUUtilizationPercentage"] == 80
    assert set(old["metadata"]["annotations"]) == {
        "autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior",
    }  # fmt: skip
    await api.ok("PUT", V1.path("default", "a"), {**old, "spec": {**old["spec"], "maxReplicas": 7}})
    again = await api.ok("GET", V2.path("default", "a"))
    assert again["spec"]["metrics"] == [pods, metric]
    assert again["spec"]["maxReplicas"] == 7
    assert again["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 10
    assert again["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Max"
    refused = await api.patch(V1.path("default", "a"), {"spec": {"maxReplicas": 0}})
    assert refused.status == 422
    assert "spec.maxReplicas" in refused.json["message"]
