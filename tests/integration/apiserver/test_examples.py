"""The examples that the README shows do what it says."""

from pathlib import Path

import yaml

from api.catalog import by_kind
from tests.integration.in_process import until

EXAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "examples"
SHIRTS = "/apis/example.com/v1/namespaces/default/shirts"


async def apply(api, name):
    for obj in yaml.safe_load_all((EXAMPLES / name).read_text()):
        resource = by_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None
        await api.ok("POST", resource.path(), obj)


async def test_shirts(api):
    await apply(api, "shirts.yaml")
    blue = await api.ok("POST", SHIRTS, {"metadata": {"name": "a"}, "spec": {"color": "blue"}})
    assert blue["spec"] == {"color": "blue", "size": "M"}
    red = await api.ask("POST", SHIRTS, {"metadata": {"name": "b"}, "spec": {"color": "red", "size": "XXL"}})
    assert red.status == 422
    assert "red shirts do not come in XXL" in red.json["message"]
    found = await api.ok("GET", SHIRTS, fieldSelector="spec.color=blue")
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]


async def test_policy(api):
    await apply(api, "policy.yaml")
    labels = {"metadata": {"labels": {"replicas": "few"}}}
    assert (await api.patch("/api/v1/namespaces/default", labels)).status == 200
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 9, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"

    async def attempt():
        return await api.ask("POST", path, {"metadata": {"name": "web"}, "spec": spec}, dryRun="All")

    refused = await until(attempt, lambda answer: answer.status == 422)
    assert "denied request: at most 5 replicas here, not 9" in refused.json["message"]
    spec["replicas"] = 5
    assert (await attempt()).status == 201
