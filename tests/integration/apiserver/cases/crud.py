"""The script that the conformance cases of some twenty kinds share: all verbs on one resource, in one order.

    await run(api, Script(INGRESSES, body))

`body(name)` is the object to create, without labels; the script adds those it selects by.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.resource import Obj, Resource
from tests.integration.apiserver.conftest import API

LABEL = {"special-label": "crud-script"}
SELECTOR = "special-label=crud-script"


@dataclass(frozen=True)
class Script:
    """What is particular about a kind. `names`: of the three objects, for kinds whose names mean something.

    `status`: two successive values of the status, written by patch and by PUT.
    """

    resource: Resource[Any]
    body: Callable[[str], Obj]
    names: tuple[str, str, str] = ("crud-a", "crud-b", "crud-c")
    namespace: str = "default"
    status: tuple[Obj, Obj] | None = None
    # Changes that an update makes besides the annotation.
    change: Obj = field(default_factory=dict)

    def path(self, name: str = "", subresource: str = "") -> str:
        namespace = self.namespace if self.resource.namespaced else ""
        return self.resource.path(namespace, name, subresource)

    def labelled(self, name: str) -> Obj:
        body = self.body(name)
        metadata = {**body.get("metadata", {}), "name": name, "labels": dict(LABEL)}
        return {
            "apiVersion": self.resource.group_version,
            "kind": self.resource.kind,
            **body,
            "metadata": metadata,
        }


class Watching:
    """An open watch; events are read one by one."""

    def __init__(self, response: Any) -> None:
        self._lines = aiter(response.content)

    async def event(self) -> tuple[str, Obj]:
        found = orjson.loads(await anext(self._lines))
        return found["type"], found["object"]

    async def until(self, kind: str, accept: Callable[[Obj], bool] = lambda obj: True) -> Obj:
        """Return the first object of an event of a kind that is acceptable; skip what comes before."""
        while True:
            seen, obj = await self.event()
            if seen == kind and accept(obj):
                return obj


@asynccontextmanager
async def watching(api: API, path: str, **query: str) -> AsyncIterator[Watching]:
    """Open a watch that ends by itself after 20 seconds."""
    given = {"watch": "true", "timeoutSeconds": "20", **query}
    async with api.session.get(path, params=given) as response:
        assert response.status == 200, await response.text()
        yield Watching(response)


async def run(api: API, script: Script) -> None:
    """Run the whole script."""
    await check_discovery(api, script.resource)
    made = [await _create(api, script, name) for name in script.names]
    listed = await _list(api, script.path(), len(made))
    everywhere = await _list(api, script.resource.path(), len(made))
    revision = {"resourceVersion": listed["metadata"]["resourceVersion"], "labelSelector": SELECTOR}
    everywhere_from = everywhere["metadata"]["resourceVersion"]
    async with (
        watching(api, script.path(), **revision) as watch,
        watching(api, script.resource.path(), **{**revision, "resourceVersion": everywhere_from}) as other,
    ):
        await check_updates(api, script, made[0])
        await _check_watch(watch, made[0])
        await _check_watch(other, made[0])
    if script.status:
        await check_status(api, script, script.names[0], *script.status)
    await _check_deletion(api, script)


async def check_discovery(api: API, resource: Resource[Any]) -> None:
    """Find the resource, and its subresources, in the three levels of discovery."""
    found = {group["name"]: group for group in (await api.ok("GET", "/apis"))["groups"]}[resource.group]
    assert resource.group_version in [version["groupVersion"] for version in found["versions"]]
    group = await api.ok("GET", f"/apis/{resource.group}")
    assert resource.group_version in [version["groupVersion"] for version in group["versions"]]
    served = (await api.ok("GET", f"/apis/{resource.group_version}"))["resources"]
    names = {item["name"] for item in served}
    assert {resource.plural, *(f"{resource.plural}/{name}" for name in resource.subresources)} <= names


async def _create(api: API, script: Script, name: str) -> Obj:
    made: Obj = await api.ok("POST", script.path(), script.labelled(name))
    again = await api.ask("POST", script.path(), script.labelled(name))
    assert (again.status, again.json["reason"]) == (409, "AlreadyExists")
    assert (await api.ok("GET", script.path(name)))["metadata"]["uid"] == made["metadata"]["uid"]
    return made


async def _list(api: API, path: str, count: int) -> Obj:
    found: Obj = await api.ok("GET", path, labelSelector=SELECTOR)
    assert len(found["items"]) == count
    return found


async def check_updates(api: API, script: Script, made: Obj) -> None:
    """Patch an annotation in, then add another one by PUT."""
    path = script.path(made["metadata"]["name"])
    answer = await api.patch(path, {"metadata": {"annotations": {"patched": "true"}}})
    assert answer.status == 200, answer.body
    patched = answer.json
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    notes = {**patched["metadata"]["annotations"], "updated": "true"}
    body = {**patched, **script.change, "metadata": {**patched["metadata"], "annotations": notes}}
    updated = await api.ok("PUT", path, body)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    for name, value in script.change.items():
        assert updated[name] == value


async def _check_watch(watch: Watching, made: Obj) -> None:
    """The first event is the patch: what was there already is not told again."""
    kind, obj = await watch.event()
    assert kind == "MODIFIED"
    assert obj["metadata"]["uid"] == made["metadata"]["uid"]
    assert obj["metadata"]["annotations"]["patched"] == "true"
    assert "updated" in (await watch.until("MODIFIED"))["metadata"]["annotations"]


async def check_status(api: API, script: Script, name: str, patched: Obj, replaced: Obj) -> None:
    """Write the status by patch, with an annotation, and by PUT; read it back."""
    path = script.path(name, "status")
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": patched}
    answer = await api.patch(path, body)
    assert answer.status == 200, answer.body
    assert answer.json["metadata"]["annotations"]["patchedstatus"] == "true"
    assert _part(answer.json["status"], patched) == patched
    updated = await api.ok("PUT", path, {**answer.json, "status": replaced})
    assert _part(updated["status"], replaced) == replaced
    read = await api.ok("GET", path)
    assert (read["apiVersion"], read["kind"]) == (script.resource.group_version, script.resource.kind)
    assert read["metadata"]["uid"] == updated["metadata"]["uid"]


def _part(status: Obj, wanted: Obj) -> Obj:
    return {name: status.get(name) for name in wanted}


async def _check_deletion(api: API, script: Script) -> None:
    first, *others = script.names
    await api.ok("DELETE", script.path(first))
    await _check_gone(api, script, first)
    await _list(api, script.path(), 2)
    await api.ok("DELETE", script.path(), labelSelector=SELECTOR)
    for name in others:
        await _check_gone(api, script, name)
    await _list(api, script.path(), 0)


async def _check_gone(api: API, script: Script, name: str) -> None:
    """A deleted object is gone, or held by finalizers: those are removed, as their controllers would."""
    found = await api.ask("GET", script.path(name))
    if found.status == 200:
        metadata = found.json["metadata"]
        assert metadata["deletionTimestamp"]
        assert metadata["finalizers"]
        await api.patch(script.path(name), {"metadata": {"finalizers": None}})
        found = await api.ask("GET", script.path(name))
    assert found.status == 404
