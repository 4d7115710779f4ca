"""Rules, ratcheting and refused definitions of custom resources, as clients see them."""

from typing import Any

from tests.integration.apiserver.customresources import CRDS, definition, version, widget

WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
_RULES = "x-kubernetes-validations"
_LEAST = {"rule": "self.least <= self.most", "message": "least is more than most", "fieldPath": ".least"}
_GROWS = {"rule": "self.size >= oldSelf.size", "messageExpression": "self.name + ' may not shrink'"}
_PART = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 20}, "size": {"type": "integer"}},
    _RULES: [_GROWS],
}
_PARTS = {
    "type": "array",
    "maxItems": 10,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": _PART,
}


def _schema(**color: Any) -> Any:
    fields = {
        "least": {"type": "integer", "default": 1},
        "most": {"type": "integer"},
        "color": {"type": "string", **color},
        "parts": _PARTS,
    }
    spec = {"type": "object", "properties": fields, _RULES: [_LEAST]}
    return {"type": "object", "properties": {"spec": spec}}


async def _refused(api, method: str, path: str, body: Any) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status == 422, answer.json
    return answer.json


async def test_rules_are_asked_after_defaults(api) -> None:
    await api.ok("POST", CRDS, definition(versions=[version(schema=_schema())]))
    status = await _refused(api, "POST", WIDGETS, widget("a", most=0))
    text = "spec.least: Invalid value: least is more than most"
    assert status["message"] == f'Widget.example.com "a" is invalid: {text}'
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: least is more than most",
            "field": "spec.least",
        }
    ]
    made = await api.ok("POST", WIDGETS, widget("a", most=1))
    assert made["spec"]["least"] == 1


async def test_transitions_follow_the_keys_of_lists(api) -> None:
    await api.ok("POST", CRDS, definition(versions=[version(schema=_schema())]))
    parts = [{"name": "x", "size": 3}, {"name": "y", "size": 5}]
    made = await api.ok("POST", WIDGETS, widget("a", most=1, parts=parts))
    turned = {**made, "spec": {**made["spec"], "parts": [{"name": "y", "size": 4}, {"name": "x", "size": 4}]}}
    status = await _refused(api, "PUT", f"{WIDGETS}/a", turned)
    assert status["message"].endswith("spec.parts[0]: Invalid value: y may not shrink")
    grown = {**made, "spec": {**made["spec"], "parts": [{"name": "y", "size": 6}]}}
    assert (await api.ok("PUT", f"{WIDGETS}/a", grown))["spec"]["parts"] == [{"name": "y", "size": 6}]


async def test_what_does_not_change_may_stay_wrong(api) -> None:
    crd = await api.ok("POST", CRDS, definition(versions=[version(schema=_schema())]))
    await api.ok("POST", WIDGETS, widget("a", most=1, color="green"))
    narrow = {
        **crd["spec"],
        "versions": [{**crd["spec"]["versions"][0], **version(schema=_schema(enum=["red"]))}],
    }
    crd = await api.ok("GET", f"{CRDS}/widgets.example.com")
    await api.ok("PUT", f"{CRDS}/widgets.example.com", {**crd, "spec": narrow})
    changed = await api.patch(f"{WIDGETS}/a", {"spec": {"most": 7}})
    assert changed.json["spec"] == {"color": "green", "least": 1, "most": 7}
    refused = await api.patch(f"{WIDGETS}/a", {"spec": {"color": "blue"}})
    assert refused.status == 422
    assert refused.json["details"]["causes"][:1] == [
        {
            "reason": "FieldValueNotSupported",
            "message": 'Unsupported value: "blue": supported values: "red"',
            "field": "spec.color",
        }
    ]


async def test_schemas_are_refused(api) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "array", "items": {}}, "odd": {"type": "odd"}},
    }
    status = await _refused(api, "POST", CRDS, definition(versions=[version(schema=schema)]))
    at = "spec.validation.openAPIV3Schema.properties"
    assert [cause["field"] for cause in status["details"]["causes"]] == [
        f"{at}[spec].items.type",
        f"{at}[odd].type",
    ]
    odd = {"type": "object", "properties": {"spec": {"type": "array", "items": {"type": 5}}}}
    answer = await api.ask("POST", CRDS, definition(versions=[version(schema=odd)]))
    assert answer.status == 400


async def test_rules_that_do_not_compile_or_cost_too_much_are_refused(api) -> None:
    costly = {
        "type": "array",
        "items": {"type": "string"},
        _RULES: [{"rule": "self.all(x, self.all(y, x.contains(y)))"}],
    }
    broken = {"type": "integer", _RULES: [{"rule": "self.oops"}]}
    schema = {"type": "object", "properties": {"broken": broken, "costly": costly}}
    status = await _refused(api, "POST", CRDS, definition(versions=[version(schema=schema)]))
    causes = status["details"]["causes"]
    assert "compilation failed: ERROR: <input>:1:5: type 'int' does not support" in causes[0]["message"]
    assert "estimated rule cost exceeds budget by factor of more than 100x" in causes[1]["message"]
