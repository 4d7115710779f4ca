"""A definition and its objects, as somebody with kubectl sees them, and what the controllers do with them."""

import json
import os

import pytest

from tests.e2e.harness import eventually

SCHEMA = {
    "type": "object",
    "description": "A widget for tests.",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"size": {"type": "integer", "minimum": 1, "description": "How big it is."}},
        }
    },
}


@pytest.fixture
def kind(cluster):
    """A definition of its own: (plural, group, kind)."""
    group = f"g{os.urandom(3).hex()}.example.com"
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    version = {
        "name": "v1", "served": True, "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA}, "additionalPrinterColumns": columns,
    }  # fmt: skip
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"], "categories": ["all"]},
            "versions": [version],
        },
    }
    cluster.kubectl("apply", "-f", "-", text=json.dumps(definition))
    cluster.kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}", "--timeout=10s")
    yield group
    cluster.kubectl("delete", "crd", f"widgets.{group}", "--ignore-not-found", "--timeout=60s")


def widget(group: str, name: str, size: int = 1, **metadata: object) -> str:
    obj = {"apiVersion": f"{group}/v1", "kind": "Widget", "spec": {"size": size}}
    return json.dumps({**obj, "metadata": {"name": name, **metadata}})


def test_kubectl_works_with_a_definition(space, kind):
    kubectl, plural = space.cluster.kubectl, f"widgets.{kind}"
    kubectl("apply", "-n", space.name, "-f", "-", text=widget(kind, "one"))
    kubectl("apply", "-n", space.name, "-f", "-", text=widget(kind, "one", 2))
    lines = kubectl("get", "-n", space.name, plural).splitlines()
    assert lines[0].split() == ["NAME", "SIZE"]
    assert lines[1].split() == ["one", "2"]
    assert "How big it is." in kubectl("explain", "widgets.spec", f"--api-version={kind}/v1")
    assert "widget" in kubectl("get", "all", "-n", space.name)
    kubectl("patch", "-n", space.name, plural, "one", "--type=merge", "-p", '{"spec":{"size":3}}')
    assert kubectl("get", "-n", space.name, plural, "one", "-o", "jsonpath={.spec.size}") == "3"
    kubectl("delete", "-n", space.name, plural, "one")
    kubectl("delete", "crd", plural, "--timeout=60s")
    assert space.cluster.request("GET", f"/apis/{kind}/v1").code == 404


def test_custom_objects_have_owners_and_dependents(space, kind):
    kubectl, plural = space.cluster.kubectl, f"widgets.{kind}"
    kubectl("apply", "-n", space.name, "-f", "-", text=widget(kind, "parent"))
    uid = kubectl("get", "-n", space.name, plural, "parent", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": f"{kind}/v1", "kind": "Widget", "name": "parent", "uid": uid}
    kubectl("apply", "-n", space.name, "-f", "-", text=widget(kind, "child", ownerReferences=[owner]))
    space.create("configmaps", {"metadata": {"name": "owned", "ownerReferences": [owner]}})
    kubectl("delete", "-n", space.name, plural, "parent")
    eventually(lambda: space.is_gone("configmaps", "owned"), "the dependent is gone", 60)
    eventually(lambda: not kubectl("get", "-n", space.name, plural, "-o", "name"), "the child is gone", 60)


def test_custom_objects_go_with_their_namespace(space, kind):
    kubectl = space.cluster.kubectl
    kubectl("apply", "-n", space.name, "-f", "-", text=widget(kind, "inside"))
    kubectl("delete", "namespace", space.name, "--timeout=60s")
    assert not kubectl("get", f"widgets.{kind}", "-A", "-o", "name")
