"""Conformance: custom resources in the OpenAPI document.

Upstream: test/e2e/apimachinery/crd_publish_openapi.go.
"""

import asyncio
import re
from typing import Any

import orjson
import pytest

from tests.integration.apiserver.customresources import ANY, CRDS, definition, version
from tests.integration.apiserver.kubectl import Kubectl

_CASE = "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] "
_TEXT = {"type": "string"}
FOO = {
    "description": "Foo CRD for Testing",
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "description": "Specification of Foo",
            "properties": {
                "bars": {
                    "description": "List of Bars and their specs.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"description": "Name of Bar.", "type": "string"},
                            "age": {"description": "Age of Bar.", "type": "string"},
                            "feeling": {
                                "description": "Whether Bar is feeling great.",
                                "type": "string",
                                "enum": ["Great", "Down"],
                            },
                            "bazs": {"description": "List of Bazs.", "items": _TEXT, "type": "array"},
                        },
                    },
                }
            },
        },
        "status": {
            "description": "Status of Foo",
            "type": "object",
            "properties": {
                "quxType": {
                    "description": "Indicates to external qux type.",
                    "pattern": "in-tree|out-of-tree",
                    "type": "string",
                }
            },
        },
    },
}
WALDO = {
    "description": "Waldo CRD for Testing",
    "type": "object",
    "properties": {
        "spec": {
            "description": "Specification of Waldo",
            "type": "object",
            "properties": {"dummy": {"description": "Dummy property.", "type": "object"}},
        }
    },
}
NESTED = {
    "description": "preserve-unknown-properties in nested field for Testing",
    "type": "object",
    "properties": {
        "spec": {**ANY, "description": "Specification of Waldo", "properties": {"dummy": {"type": "object"}}},
    },
}
_ADDED = ("metadata", "apiVersion", "kind")


def several(plural: str, group: str, schema: object, *names: str) -> Any:
    versions = [version(name, schema, storage=not number) for number, name in enumerate(names)]
    return definition(plural, group, versions)


async def published(api, name: str) -> dict | None:
    """Return a definition of the v2 document without what the server adds to the schema."""
    found = (await api.ok("GET", "/openapi/v2"))["definitions"].get(name)
    if found is None:
        return None
    made = {key: value for key, value in found.items() if key != "x-kubernetes-group-version-kind"}
    fields = {key: value for key, value in made.get("properties", {}).items() if key not in _ADDED}
    return {**made, "properties": fields} if "properties" in made else made


async def clean_up(api, *crds: str) -> None:
    for name in crds:
        await api.ok("DELETE", f"{CRDS}/{name}")
        for _ in range(500):
            if (await api.ask("GET", f"{CRDS}/{name}")).status == 404:
                break
            await asyncio.sleep(0.02)
    assert not [name for name in (await api.ok("GET", "/openapi/v2"))["definitions"] if "example" in name]


@pytest.mark.case(_CASE + "works for multiple CRDs of different groups [Conformance]")
async def test_groups(api) -> None:
    await api.ok("POST", CRDS, several("foos", "test-foo.example.com", FOO, "v1"))
    await api.ok("POST", CRDS, several("waldos", "test-waldo.example.com", WALDO, "v1beta1"))
    assert await published(api, "com.example.test-waldo.v1beta1.Waldo") == WALDO
    assert await published(api, "com.example.test-foo.v1.Foo") == FOO
    await clean_up(api, "foos.test-foo.example.com", "waldos.test-waldo.example.com")


@pytest.mark.case(_CASE + "works for multiple CRDs of same group but different versions [Conformance]")
async def test_versions(api) -> None:
    await api.ok("POST", CRDS, several("foos", "multi-ver.example.com", FOO, "v2", "v3"))
    assert await published(api, "com.example.multi-ver.v3.Foo") == FOO
    assert await published(api, "com.example.multi-ver.v2.Foo") == FOO
    await clean_up(api, "foos.multi-ver.example.com")
    await api.ok("POST", CRDS, several("foos", "common.example.com", FOO, "v4"))
    await api.ok("POST", CRDS, several("waldos", "common.example.com", WALDO, "v5"))
    assert await published(api, "com.example.common.v5.Waldo") == WALDO
    assert await published(api, "com.example.common.v4.Foo") == FOO
    await clean_up(api, "foos.common.example.com", "waldos.common.example.com")


@pytest.mark.case(
    _CASE + "works for multiple CRDs of same group and version but different kinds [Conformance]"
)
async def test_kinds(api) -> None:
    await api.ok("POST", CRDS, several("foos", "common.example.com", FOO, "v6"))
    await api.ok("POST", CRDS, several("waldos", "common.example.com", WALDO, "v6"))
    assert await published(api, "com.example.common.v6.Waldo") == WALDO
    assert await published(api, "com.example.common.v6.Foo") == FOO
    await clean_up(api, "foos.common.example.com", "waldos.common.example.com")


@pytest.mark.case(_CASE + "updates the published spec when one version gets renamed [Conformance]")
async def test_renaming(api) -> None:
    await api.ok("POST", CRDS, several("foos", "multi-ver.example.com", FOO, "v2", "v3"))
    assert await published(api, "com.example.multi-ver.v3.Foo") == FOO
    rename = [
        {"op": "test", "path": "/spec/versions/1/name", "value": "v3"},
        {"op": "replace", "path": "/spec/versions/1/name", "value": "v4"},
    ]
    assert (await api.patch(f"{CRDS}/foos.multi-ver.example.com", rename, "json")).status == 200
    assert await published(api, "com.example.multi-ver.v4.Foo") == FOO
    assert await published(api, "com.example.multi-ver.v3.Foo") is None
    assert await published(api, "com.example.multi-ver.v2.Foo") == FOO
    await clean_up(api, "foos.multi-ver.example.com")


@pytest.mark.case(
    _CASE + "removes definition from spec when one version gets changed to not be served [Conformance]"
)
async def test_serving_no_more(api) -> None:
    await api.ok("POST", CRDS, several("foos", "single.example.com", FOO, "v5", "v6alpha1"))
    assert await published(api, "com.example.single.v6alpha1.Foo") == FOO
    path = f"{CRDS}/foos.single.example.com"
    crd = await api.ok("GET", path)
    crd["spec"]["versions"][1]["served"] = False
    await api.ok("PUT", path, crd)
    assert await published(api, "com.example.single.v6alpha1.Foo") is None
    assert await published(api, "com.example.single.v5.Foo") == FOO
    await clean_up(api, "foos.single.example.com")


def custom(kind: str, group: str, name: str, **fields: object) -> str:
    metadata = {"name": name}
    return orjson.dumps({"kind": kind, "apiVersion": f"{group}/v1", "metadata": metadata, **fields}).decode()


async def comes_and_goes(kubectl: Kubectl, plural: str, name: str, text: str) -> None:
    """Create, delete, apply and delete an object, all of which must succeed."""
    for verb in ("create", "apply"):
        await kubectl.ok(verb, "-f", "-", text=text)
        await kubectl.ok("delete", plural, name)


async def explains(kubectl: Kubectl, what: str, pattern: str) -> None:
    printed = await kubectl.ok("explain", what)
    assert re.search(f"(?s){pattern}", printed), printed


@pytest.mark.case(_CASE + "works for CRD with validation schema [Conformance]")
async def test_kubectl_and_a_schema(api, kubeconfig) -> None:
    kubectl, group = Kubectl(kubeconfig), "test-foo.example.com"
    await api.ok("POST", CRDS, several("foos", group, FOO, "v1"))
    assert await published(api, "com.example.test-foo.v1.Foo") == FOO
    good = custom("Foo", group, "test-foo", spec={"bars": [{"name": "test-bar"}]})
    await comes_and_goes(kubectl, "foos", "test-foo", good)
    refusals = {
        "Unsupported value: \"NonExistentValue\"": {"bars": [{"name": "b", "feeling": "NonExistentValue"}]},
        'unknown field "(spec.)?foo"': {"foo": True},
        r'missing required field "name"|spec.bars\[0\].name: Required value': {"bars": [{"age": "10"}]},
    }  # fmt: skip
    for expected, spec in refusals.items():
        for verb in ("create", "apply"):
            refused = await kubectl(verb, "-f", "-", text=custom("Foo", group, "bad", spec=spec))
            assert refused.code != 0
            assert re.search(expected, refused.err), refused
    fields = "FIELDS:.*apiVersion.*<string>.*APIVersion defines.*spec.*<Object>.*Specification of Foo"
    await explains(kubectl, "foos", f"DESCRIPTION:.*Foo CRD for Testing.*{fields}")
    metadata = "FIELDS:.*creationTimestamp.*<string>.*CreationTimestamp is a timestamp"
    await explains(kubectl, "foos.metadata", f"DESCRIPTION:.*Standard object's metadata.*{metadata}")
    bars = r"FIELDS:.*bars.*<\[\]Object>.*List of Bars and their specs"
    await explains(kubectl, "foos.spec", f"DESCRIPTION:.*Specification of Foo.*{bars}")
    bazs = r"FIELDS:.*bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar"
    await explains(kubectl, "foos.spec.bars", f"DESCRIPTION:.*List of Bars and their specs.*{bazs}")
    missing = await kubectl("explain", "foos.spec.bars2")
    assert 'field "bars2" does not exist' in missing.err
    await clean_up(api, f"foos.{group}")


@pytest.mark.case(_CASE + "works for CRD without validation schema [Conformance]")
async def test_kubectl_without_a_schema(api, kubeconfig) -> None:
    kubectl, group = Kubectl(kubeconfig), "test-empty.example.com"
    await api.ok("POST", CRDS, several("empties", group, ANY, "v1"))
    assert await published(api, "com.example.test-empty.v1.Emptie") == {"type": "object"}
    anything = custom("Emptie", group, "test-cr", a={"b": [{"c": "d"}]})
    await comes_and_goes(kubectl, "empties", "test-cr", anything)
    await explains(kubectl, "empties", "DESCRIPTION:.*<empty>")
    await clean_up(api, f"empties.{group}")


@pytest.mark.case(_CASE + "works for CRD preserving unknown fields at the schema root [Conformance]")
async def test_kubectl_and_an_open_root(api, kubeconfig) -> None:
    kubectl, group = Kubectl(kubeconfig), "unknown-at-root.example.com"
    schema = {**WALDO, "x-kubernetes-preserve-unknown-fields": True}
    await api.ok("POST", CRDS, several("waldos", group, schema, "v1"))
    anything = custom("Waldo", group, "test-cr", a={"b": [{"c": "d"}]})
    await comes_and_goes(kubectl, "waldos", "test-cr", anything)
    await explains(kubectl, "waldos", "KIND:.*Waldo")
    await clean_up(api, f"waldos.{group}")


@pytest.mark.case(_CASE + "works for CRD preserving unknown fields in an embedded object [Conformance]")
async def test_kubectl_and_an_open_object(api, kubeconfig) -> None:
    kubectl, group = Kubectl(kubeconfig), "unknown-in-nested.example.com"
    await api.ok("POST", CRDS, several("waldos", group, NESTED, "v1"))
    anything = custom("Waldo", group, "test-cr", spec={"a": None, "b": [{"c": "d"}]})
    await comes_and_goes(kubectl, "waldos", "test-cr", anything)
    await explains(kubectl, "waldos", "DESCRIPTION:.*preserve-unknown-properties in nested field for Testing")
    await clean_up(api, f"waldos.{group}")
