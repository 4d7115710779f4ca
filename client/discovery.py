"""What the server serves, custom resources included. Called by controllers that go through everything.

Asks for aggregated discovery first and falls back to one document per group version.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from api import catalog, errors
from api.resource import Resource
from client.api import Client
from client.transport import Unreachable
from kit.tasks import retry

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def serves(client: Client, resource: Resource[Any]) -> bool:
    """Say whether the server has a resource; some it has only if asked to. Asks until there is an answer."""
    path = f"/apis/{resource.group_version}"

    async def ask() -> bool:
        answer = await client.request("GET", path)
        if answer.status == 404:
            return False
        if answer.status != 200:
            raise errors.ServiceUnavailable(f"{path} answers {answer.status}")
        found = orjson.loads(answer.body).get("resources") or ()
        return any(item["name"] == resource.plural for item in found)

    return await retry(ask, on=(Unreachable, errors.ServiceUnavailable), name=f"ask for {resource.plural}")


async def served_resources(client: Client) -> list[Resource[Any]]:
    """Return each resource once, in its group's preferred version. Raises `StatusError`, `Unreachable`.

    Built-in ones are the tokens of `api.catalog`. Groups that do not answer are left out.
    """
    found: list[Resource[Any]] = []
    for root in ("/api", "/apis"):
        response = await client.request("GET", root, headers={"Accept": _AGGREGATED})
        if response.status != 200:
            # Half an answer would make callers believe that the other half does not exist.
            raise errors.from_status(response.status, {"message": f"discovery at {root} failed"})
        body = orjson.loads(response.body)
        if body.get("kind") == "APIGroupDiscoveryList":
            found += aggregated(body)
        else:
            found += await _one_by_one(client, root, body)
    return found


def aggregated(body: Mapping[str, Any]) -> list[Resource[Any]]:
    """Return the resources of an APIGroupDiscoveryList."""
    found: dict[tuple[str, str], Resource[Any]] = {}
    for group in body.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            for item in version.get("resources") or ():
                kind = (item.get("responseKind") or {}).get("kind", "")
                namespaced = item.get("scope") == "Namespaced"
                resource = _resource(
                    name, version["version"], item["resource"], kind, namespaced, item.get("verbs") or ()
                )
                found.setdefault((name, item["resource"]), resource)
    return [*found.values()]


async def _one_by_one(client: Client, root: str, body: Mapping[str, Any]) -> list[Resource[Any]]:
    if root == "/api":
        versions = [("", version) for version in body.get("versions") or ("v1",)]
    else:
        versions = [
            (group["name"], group["preferredVersion"]["version"]) for group in body.get("groups") or ()
        ]
    found: list[Resource[Any]] = []
    for group, version in versions:
        path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
        response = await client.request("GET", path)
        if response.status != 200:
            continue
        found += [
            _resource(group, version, item["name"], item["kind"], item["namespaced"], item["verbs"])
            for item in orjson.loads(response.body).get("resources") or ()
            if "/" not in item["name"]
        ]
    return found


def _resource(
    group: str, version: str, plural: str, kind: str, namespaced: bool, verbs: Iterable[str]
) -> Resource[Any]:
    known = catalog.by_plural(group, version, plural)
    return known or Resource(group, version, plural, kind, namespaced, verbs=tuple(verbs))
