"""Conformance: unknown and doubled fields of custom objects.

Upstream: test/e2e/apimachinery/field_validation.go.
"""

from textwrap import dedent

import pytest

from tests.integration.apiserver.customresources import ANY, CRDS, definition, version

_CASE = "[sig-api-machinery] FieldValidation should "
_INT = {"format": "int32", "type": "integer"}
_TEXT = {"type": "string"}
FIELDS = {
    "foo": _TEXT,
    "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
    "ports": {
        "type": "array",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "x-kubernetes-list-type": "map",
        "items": {
            "type": "object",
            "required": ["containerPort", "protocol"],
            "properties": {
                "containerPort": _INT,
                "hostPort": _INT,
                "hostIP": _TEXT,
                "name": _TEXT,
                "protocol": _TEXT,
            },
        },
    },
}
TEMPLATE = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": _TEXT}},
        "spec": {"type": "object"},
    },
}
_HEAD = """
apiVersion: example.com/v1beta1
kind: Noxu
metadata:
  name: mytest
  finalizers:
  - test-finalizer
"""
_SPEC = """\
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


async def define(api, schema: object) -> None:
    versions = [version("v1beta1", schema), version("v1beta2", schema, storage=False)]
    made = definition("noxus", versions=versions, scope="Cluster")
    await api.ok("POST", CRDS, made)


async def apply(api, manifest: str):
    headers = {"Content-Type": "application/apply-patch+yaml"}
    path = "/apis/example.com/v1beta1/noxus/mytest"
    query = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
    return await api.ask("PATCH", path, manifest.encode(), headers, **query)


def spec(**fields: object) -> dict:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": FIELDS, **fields}}}


@pytest.mark.case(_CASE + "create/apply a valid CR for CRD with validation schema [Conformance]")
async def test_valid(api) -> None:
    await define(api, spec())
    answer = await apply(api, f"{_HEAD}spec:\n  foo: foo1\n{_SPEC}")
    assert answer.status == 201, answer.body


@pytest.mark.case(
    _CASE + "create/apply a CR with unknown fields for CRD with no validation schema [Conformance]"
)
async def test_no_schema(api) -> None:
    await define(api, ANY)
    answer = await apply(api, f"{_HEAD}spec:\n  unknown: uk1\n{_SPEC}")
    assert answer.status == 201, answer.body


@pytest.mark.case(
    _CASE + "create/apply an invalid CR with extra properties for CRD with validation schema [Conformance]"
)
async def test_unknown(api) -> None:
    await define(api, spec())
    answer = await apply(api, f"{_HEAD}unknownField: unknown\nspec:\n  foo: foo1\n{_SPEC}")
    assert b".unknownField: field not declared in schema" in answer.body


@pytest.mark.case(
    _CASE + "detect unknown metadata fields in both the root and embedded object of a CR [Conformance]"
)
async def test_unknown_metadata(api) -> None:
    await define(api, spec(**{**ANY, "properties": {**FIELDS, "template": TEMPLATE}}))
    head = _HEAD.replace("  finalizers:", "  unknownMeta: unknown\n  finalizers:")
    template = dedent("""\
        spec:
          template:
            apiversion: foo/v1
            kind: Sub
            metadata:
              unknownSubMeta: unknown
              name: subobject
              namespace: default
          foo: foo1
    """)
    answer = await apply(api, f"{head}{template}{_SPEC}")
    assert answer.status >= 400
    assert any(
        text in answer.body
        for text in (
            b".spec.template.metadata.unknownSubMeta: field not declared in schema",
            b".metadata.unknownMeta: field not declared in schema",
        )
    ), answer.body


@pytest.mark.case(_CASE + "detect duplicates in a CR when preserving unknown fields [Conformance]")
async def test_doubled(api) -> None:
    await define(api, spec(**{**ANY, "properties": FIELDS}))
    answer = await apply(api, f"{_HEAD}spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2\n{_SPEC}")
    assert rb"line 11: key \"foo\" already set in map" in answer.body, answer.body
