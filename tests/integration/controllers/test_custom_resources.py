"""The real controllers and custom resources: owners, dependents, namespaces."""

from typing import Any

import pytest

from api.errors import NotFound
from api.resource import Resource
from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from api.types.core_v1 import CONFIGMAPS, NAMESPACES

WIDGETS: Resource[Any] = Resource("example.com", "v1", "widgets", "Widget")
DEFINITION: dict[str, Any] = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


def owned_by(owner: Any, name: str) -> dict[str, Any]:
    reference = {name: owner[name] for name in ("apiVersion", "kind")}
    reference |= {name: owner["metadata"][name] for name in ("name", "uid")}
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


@pytest.mark.parametrize("early", [True, False], ids=["defined-before", "defined-while-controllers-run"])
async def test_owners_and_dependents(cluster, early: bool) -> None:
    if early:
        await cluster.client.create(CUSTOMRESOURCEDEFINITIONS, DEFINITION)
    cluster.start()
    if not early:
        await cluster.client.create(CUSTOMRESOURCEDEFINITIONS, DEFINITION)
    parent = await cluster.client.create(WIDGETS, {"metadata": {"name": "parent"}}, "default")
    child = await cluster.client.create(WIDGETS, owned_by(parent, "child"), "default")
    await cluster.client.create(CONFIGMAPS, owned_by(child, "grandchild"), "default")
    await cluster.client.delete(WIDGETS, "parent", "default")
    await cluster.gone(WIDGETS, "child")
    await cluster.gone(CONFIGMAPS, "grandchild")


async def test_a_namespace_takes_custom_objects_along(cluster) -> None:
    cluster.start()
    await cluster.client.create(CUSTOMRESOURCEDEFINITIONS, DEFINITION)
    await cluster.client.create(NAMESPACES, {"metadata": {"name": "doomed"}})
    await cluster.client.create(WIDGETS, {"metadata": {"name": "inside"}}, "doomed")
    await cluster.client.create(WIDGETS, {"metadata": {"name": "outside"}}, "default")
    await cluster.client.delete(NAMESPACES, "doomed")

    async def gone() -> bool:
        try:
            await cluster.client.get(NAMESPACES, "doomed")
        except NotFound:
            return True
        return False

    await cluster.until(gone)
    left = await cluster.client.list(WIDGETS)
    assert [item["metadata"]["name"] for item in left.items] == ["outside"]
