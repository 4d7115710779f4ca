"""Conformance cases of FlowSchemas and PriorityLevelConfigurations.

Not the shared script: the server itself writes the status of a FlowSchema, so writers retry on conflict, as
upstream's test does.
"""

import pytest

from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from tests.integration.apiserver.cases.crud import Script, check_discovery, watching

SELECTOR = "special-label=crud-script"


async def put(api, path, change):
    """Read, change, write, until no other write comes between."""
    while True:
        found = await api.ok("GET", path)
        answer = await api.ask("PUT", path, change(found))
        if answer.status != 409:
            assert answer.status == 200, answer.body
            return answer.json


def with_annotation(obj, name):
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), name: "true"}}}


def conditions_of(obj):
    """Return the conditions but for the server's own."""
    return [item for item in obj["status"].get("conditions", []) if item["type"] != "Dangling"]


async def operations(api, script, patch):
    """Every verb; return the object after the patch of its spec."""
    await check_discovery(api, script.resource)
    for name in script.names:
        made = await api.ok("POST", script.path(), script.labelled(name))
        assert (await api.ask("POST", script.path(), script.labelled(name))).status == 409
        assert (await api.ok("GET", script.path(name)))["metadata"]["uid"] == made["metadata"]["uid"]
    listed = await api.ok("GET", script.path(), labelSelector=SELECTOR)
    assert len(listed["items"]) == 3
    first = script.names[0]
    revision = listed["metadata"]["resourceVersion"]
    async with watching(api, script.path(), labelSelector=SELECTOR, resourceVersion=revision) as watch:
        body = {"metadata": {"annotations": {"patched": "true"}}, "spec": patch}
        patched = await api.patch(script.path(first), body)
        assert patched.status == 200, patched.body
        updated = await put(api, script.path(first), lambda found: with_annotation(found, "updated"))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        seen = await watch.until("MODIFIED", lambda obj: "patched" in obj["metadata"].get("annotations", {}))
        assert seen["metadata"]["name"] == first
    await _status(api, script.path(first, "status"))
    await _deletion(api, script)
    return patched.json


async def _status(api, path):
    condition = {"type": "FlowSchemaTested", "status": "True", "reason": "Patched", "message": "by a test"}
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [condition]}}
    answer = await api.patch(path, body)
    assert answer.status == 200, answer.body
    assert answer.json["metadata"]["annotations"]["patchedstatus"] == "true"
    assert conditions_of(answer.json)[0]["reason"] == "Patched"
    another = {**condition, "type": "Another"}

    def change(found):
        conditions = [*found["status"]["conditions"], another]
        return {**found, "status": {**found["status"], "conditions": conditions}}

    updated = await put(api, path, change)
    assert [item["type"] for item in conditions_of(updated)] == ["FlowSchemaTested", "Another"]


async def _deletion(api, script):
    await api.ok("DELETE", script.path(script.names[0]))
    assert (await api.ask("GET", script.path(script.names[0]))).status == 404
    assert len((await api.ok("GET", script.path(), labelSelector=SELECTOR))["items"]) == 2
    await api.ok("DELETE", script.path(), labelSelector=SELECTOR)
    assert (await api.ok("GET", script.path(), labelSelector=SELECTOR))["items"] == []


@pytest.mark.case(
    "[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]"
)
async def test_flow_schemas(api):
    rules = [
        {
            "subjects": [{"kind": "User", "user": {"name": "example-e2e-flowschema"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }
    ]
    spec = {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "rules": rules,
    }
    script = Script(FLOWSCHEMAS, lambda name: {"spec": spec})
    patched = await operations(api, script, {"matchingPrecedence": 9999})
    assert patched["spec"]["matchingPrecedence"] == 9999


@pytest.mark.case(
    "[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations "
    "[Conformance]"
)
async def test_priority_levels(api):
    limited = {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}
    script = Script(
        PRIORITYLEVELCONFIGURATIONS, lambda name: {"spec": {"type": "Limited", "limited": limited}}
    )
    patched = await operations(api, script, {"limited": {"nominalConcurrencyShares": 4}})
    assert patched["spec"]["limited"]["nominalConcurrencyShares"] == 4
