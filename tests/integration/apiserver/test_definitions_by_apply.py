"""Definitions that come and change by server-side apply, as `kubectl apply --server-side` sends them."""

import orjson

from tests.integration.apiserver.customresources import CRDS, definition, version, widget

WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CRD = f"{CRDS}/widgets.example.com"


async def test_a_definition_by_apply(api) -> None:
    answer = await api.patch(CRD, definition(), "apply", fieldManager="tool")
    assert answer.status == 201, answer.body
    assert (await api.ok("POST", WIDGETS, widget("a")))["spec"] == {"color": "red"}
    again = await api.patch(CRD, definition(), "apply", fieldManager="tool")
    now = await api.ok("GET", CRD)
    assert (again.status, again.json["metadata"]["resourceVersion"]) == (
        200,
        now["metadata"]["resourceVersion"],
    )
    changed = orjson.loads(orjson.dumps(definition(versions=[version(), version("v2", storage=False)])))
    fields = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields["color"]["default"] = {"not": "text"}
    refused = await api.patch(CRD, changed, "apply", fieldManager="tool")
    assert refused.status == 422, refused.body
    fields["color"]["default"] = "blue"
    assert (await api.patch(CRD, changed, "apply", fieldManager="tool")).status == 200
    assert (await api.ok("POST", WIDGETS, widget("b")))["spec"] == {"color": "blue"}
    assert (await api.ok("GET", WIDGETS.replace("v1", "v2")))["items"][0]["spec"] == {"color": "red"}
