"""What mutations make of objects."""

from typing import Any

import pytest

from api.admissionregistration.compiled import compile_policy
from api.patch.shape import shape_of_kind
from apiserver.admission.policies.evaluation import Failed
from apiserver.admission.policies.mutation import evaluated, mutated

SHAPE = shape_of_kind("io.k8s.api.apps.v1.Deployment")
OBJECT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]}},
    },
}


def made(patch_type: str, text: str) -> Any:
    member = "jsonPatch" if patch_type == "JSONPatch" else "applyConfiguration"
    mutation = {"patchType": patch_type, member: {"expression": text}}
    policy = {"kind": "MutatingAdmissionPolicy", "spec": {"mutations": [mutation]}}
    compiled = compile_policy(policy)
    (expression,) = compiled.mutations
    assert expression is not None
    value = evaluated(compiled, expression, {"object": OBJECT})
    return mutated(OBJECT, patch_type, value, SHAPE)


def test_fields_and_maps_are_merged() -> None:
    text = "Object{metadata: Object.metadata{labels: {'b': 'c'}}, spec: Object.spec{replicas: 1337}}"
    result = made("ApplyConfiguration", text)
    assert result["spec"]["replicas"] == 1337
    assert result["metadata"]["labels"] == {"app": "web", "b": "c"}
    assert result["spec"]["template"] == OBJECT["spec"]["template"]
    assert OBJECT["spec"]["replicas"] == 1


def test_lists_are_merged_by_their_keys() -> None:
    text = """Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        containers: [Object.spec.template.spec.containers{name: 'b', image: 'y'},
                     Object.spec.template.spec.containers{name: 'c', image: 'z'}]}}}}"""
    containers = made("ApplyConfiguration", text)["spec"]["template"]["spec"]["containers"]
    assert [(item["name"], item["image"]) for item in containers] == [("a", "x"), ("b", "y"), ("c", "z")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Object{spec: Object.spec{nothing: 1}}",
            "error applying patch: failed to convert patch object to typed object: .spec.nothing: field not "
            "declared in schema",
            id="unknown-field",
        ),
        pytest.param(
            "Object{spec: Object.spec{replicas: 'three'}}",
            "error applying patch: failed to convert patch object to typed object: .spec.replicas: "
            "expected numeric "
            "(int or float), got string",
            id="wrong-type",
        ),
        pytest.param(
            "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}",
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or "
            "structs: "
            ".spec.selector",
            id="atomic",
        ),
        pytest.param(
            "object.metadata.name",
            "compilation error: must evaluate to Object",
            id="not-an-object",
        ),
        pytest.param(
            "Object{spec: Object.spec{replicas: object.spec.nothing}}",
            "expression 'Object{spec: Object.spec{replicas: object.spec.nothing}}' resulted in error: no "
            "such key: "
            "nothing",
            id="evaluation",
        ),
    ],
)
def test_configurations_that_do_not_apply(text: str, expected: str) -> None:
    with pytest.raises(Failed) as caught:
        made("ApplyConfiguration", text)
    assert str(caught.value) == expected


def test_json_patch() -> None:
    text = """[
        JSONPatch{op: 'test', path: '/spec/replicas', value: 1},
        JSONPatch{op: 'replace', path: '/spec/replicas', value: object.spec.replicas + 1},
        JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'},
        JSONPatch{op: 'copy', from: '/metadata/labels/app', path: '/metadata/labels/copy'}
    ]"""
    result = made("JSONPatch", text)
    assert result["spec"]["replicas"] == 2
    assert result["metadata"]["labels"] == {"app": "web", "a/b": "c", "copy": "web"}


def test_a_json_patch_whose_test_fails_changes_nothing() -> None:
    text = "[JSONPatch{op: 'test', path: '/spec/replicas', value: 5}, JSONPatch{op: 'remove', path: '/spec'}]"
    assert made("JSONPatch", text) is OBJECT


def test_a_json_patch_that_does_not_apply() -> None:
    with pytest.raises(Failed, match=r"^JSONPath: remove operation does not apply"):
        made("JSONPatch", "[JSONPatch{op: 'remove', path: '/spec/nothing'}]")


def test_what_costs_too_much() -> None:
    with pytest.raises(Failed, match="actual cost limit exceeded"):
        made("ApplyConfiguration", f"{DEAR} ? Object{{}} : Object{{}}")


NUMBERS = "[1,2,3,4,5,6,7,8,9,10]"
DEAR = "".join(f"{NUMBERS}.all({name}, " for name in "abcdef") + "a + b + c + d + e + f > 0))))))"


def test_lists_without_keys_are_atomic() -> None:
    text = """Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        tolerations: [Object.spec.template.spec.tolerations{key: 'a'}]}}}}"""
    with pytest.raises(
        Failed, match=r"may not mutate atomic arrays, maps or structs: .spec.template.spec.tolerations"
    ):
        made("ApplyConfiguration", text)
