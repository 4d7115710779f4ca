"""A cluster that is a dictionary: applies plans at once, as the API server would, and checks each of them.

world = World(replicaset, deployment)
world.put(DEPLOYMENTS, new_deployment(3))
world.settle()
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from api.resource import Key, Resource, key_of
from api.times import format_time
from api.types.core_v1 import PODS
from controllers.framework.controller import (
    BY_CONTROLLER,
    ORPHANS,
    Controller,
    View,
    controller_uids,
    orphan_namespaces,
)
from controllers.framework.plan import (
    Apply,
    Change,
    Create,
    Delete,
    Failure,
    Patch,
    Plan,
    Record,
    SetStatus,
    Update,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """The world does not allow a change (a conflict, or a rule of the test)."""


class Table:
    """The objects of one resource, with indexes computed on demand."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.indexes: dict[str, Callable[[Any], Iterable[str]]] = {
            BY_CONTROLLER: controller_uids,
            ORPHANS: orphan_namespaces,
        }

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get(Key(namespace, name))

    def list(self, namespace: str = "") -> Iterable[dict[str, Any]]:
        return [obj for key, obj in self.objects.items() if namespace in ("", key.namespace)]

    def by(self, index: str, value: str) -> Iterable[dict[str, Any]]:
        return [obj for obj in self.objects.values() if value in self.indexes[index](obj)]


class World:
    def __init__(self, *controllers: Controller[Any]) -> None:
        self.controllers = controllers
        self.now = START
        self.tables: dict[Resource[Any], Table] = {}
        self.revision = 0
        self.records: list[Record] = []
        self.failures: dict[tuple[str, Key], Failure] = {}
        # Called after every single change; raises if a bound is exceeded.
        self.after_change: Callable[[Change], None] = lambda change: None
        # Raises `Refused` for creations that shall fail.
        self.admit: Callable[[Resource[Any], dict[str, Any]], None] = lambda resource, obj: None
        for controller in controllers:
            for resource in controller.resources():
                table = self.table(resource)
                table.indexes.update(controller.indexes.get(resource, {}))

    def table(self, resource: Resource[Any]) -> Table:
        return self.tables.setdefault(resource, Table())

    def view(self, failure: Failure | None = None) -> View:
        return View(self.tables, failure)

    # --- what users and other parts of the cluster do ---

    def put(self, resource: Resource[Any], obj: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace an object."""
        made: dict[str, Any] = orjson.loads(orjson.dumps(obj))
        metadata = made.setdefault("metadata", {})
        self.revision += 1
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{self.revision:05d}"
        key = Key(metadata.get("namespace", ""), metadata["name"])
        old = self.table(resource).objects.get(key)
        made.setdefault("apiVersion", resource.group_version)
        made.setdefault("kind", resource.kind)
        metadata["resourceVersion"] = str(self.revision)
        if old is None:
            metadata.setdefault("uid", f"uid-{self.revision}")
            metadata.setdefault("creationTimestamp", format_time(self.now))
            metadata.setdefault("generation", 1)
        else:
            metadata["uid"] = old["metadata"]["uid"]
            metadata["generation"] = old["metadata"].get("generation", 1) + (
                old.get("spec") != made.get("spec")
            )
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and resource is not PODS:
            self.table(resource).objects.pop(key, None)
        else:
            self.table(resource).objects[key] = made
        return made

    def change(self, resource: Resource[Any], key: Key, patch: Any) -> None:
        """Merge a patch into an object."""
        self.put(resource, merge(self.table(resource).objects[key], patch))

    def remove(self, resource: Resource[Any], key: Key, grace: bool = False) -> None:
        """Delete an object: at once, or (finalizers, `grace`) by setting its deletion time."""
        obj = self.table(resource).objects[key]
        if obj["metadata"].get("finalizers") or grace:
            if "deletionTimestamp" not in obj["metadata"]:
                self.change(resource, key, {"metadata": {"deletionTimestamp": format_time(self.now)}})
        else:
            self._drop(resource, key)

    def _drop(self, resource: Resource[Any], key: Key) -> None:
        del self.table(resource).objects[key]
        self.revision += 1

    def run_pods(self, healthy: Callable[[dict[str, Any]], bool] = lambda pod: True) -> None:
        """Play scheduler and node agents: start what is pending, end what is being deleted."""
        for key, pod in list(self.table(PODS).objects.items()):
            if "deletionTimestamp" in pod["metadata"]:
                self._drop(PODS, key)
                continue
            if not pod["spec"].get("nodeName"):
                pod = merge(pod, {"spec": {"nodeName": f"node-{self.revision % 3}"}})
            ready = "True" if healthy(pod) else "False"
            present = (pod.get("status") or {}).get("conditions") or [{}]
            if present[0].get("status") != ready:
                condition = {"type": "Ready", "status": ready, "lastTransitionTime": format_time(self.now)}
                status = {"phase": "Running", "podIP": f"10.0.0.{self.revision}", "conditions": [condition]}
                self.put(PODS, merge(pod, {"status": status}))

    def collect_garbage(self) -> None:
        """Delete whatever has owners none of which exists."""
        uids = {obj["metadata"]["uid"] for table in self.tables.values() for obj in table.objects.values()}
        for resource, table in self.tables.items():
            for key, obj in list(table.objects.items()):
                owners = obj["metadata"].get("ownerReferences") or []
                if owners and not any(ref["uid"] in uids for ref in owners):
                    self._drop(resource, key)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # --- what controllers do ---

    def settle(self, rounds: int = 60, between: Callable[[], None] = lambda: None) -> None:
        """Call every controller for every object until nothing changes, `between` after each round."""
        for _ in range(rounds):
            before = self.revision
            for controller in self.controllers:
                self.run(controller)
            between()
            if self.revision == before:
                break
        else:
            raise AssertionError(f"no fixed point after {rounds} rounds: {self.last_changes()}")
        for controller in self.controllers:
            for key in list(self.table(controller.of).objects):
                plan = self.plan(controller, key)
                left = [change for change in plan.changes if not isinstance(change, Record)]
                assert not left, f"{controller.id} {key}: a second plan is not empty: {left}"

    def last_changes(self) -> list[str]:
        return [
            f"{controller.id} {key}: {self.plan(controller, key).changes}"[:2000]
            for controller in self.controllers
            for key in list(self.table(controller.of).objects)
        ]

    def run(self, controller: Controller[Any]) -> None:
        for key in list(self.table(controller.of).objects):
            if key in self.table(controller.of).objects:
                self.reconcile(controller, key)

    def reconcile(self, controller: Controller[Any], key: Key) -> Plan:
        """Plan and perform once, as the engine does."""
        plan = self.plan(controller, key)
        self.failures.pop((controller.id, key), None)
        for change in plan.changes:
            try:
                self.perform(change)
            except Refused as error:
                self.failures[controller.id, key] = Failure(type(change).__name__, str(error))
                continue
            self.after_change(change)
        return plan

    def plan(self, controller: Controller[Any], key: Key) -> Plan:
        """Call a controller; fails if it changes what it is shown."""
        obj = self.table(controller.of).objects[key]
        before = self._fingerprint()
        plan = controller(obj, self.view(self.failures.get((controller.id, key))), self.now)
        assert self._fingerprint() == before, f"{controller.id} changes objects of the cache"
        return plan

    def _fingerprint(self) -> bytes:
        return b"".join(orjson.dumps(obj) for table in self.tables.values() for obj in table.objects.values())

    def perform(self, change: Change) -> None:
        match change:
            case Create():
                self.admit(change.resource, change.obj)
                obj = orjson.loads(orjson.dumps(change.obj))
                if change.namespace:
                    obj.setdefault("metadata", {})["namespace"] = change.namespace
                name = obj["metadata"].get("name")
                if name and self.table(change.resource).get(change.namespace, name):
                    raise Refused("already exists")
                self.put(change.resource, obj)
            case Apply():
                key = Key(change.namespace, change.obj["metadata"]["name"])
                old = self.table(change.resource).objects.get(key, {})
                self.put(change.resource, merge(old, change.obj))
            case Update():
                old = self.table(change.resource).objects[key_of(change.obj)]
                if old["metadata"]["resourceVersion"] != change.obj["metadata"]["resourceVersion"]:
                    raise Refused("the object has been modified")
                self.put(change.resource, change.obj)
            case Patch():
                self._patch(change)
            case Delete():
                self._expect(change)
                if change.key in self.table(change.resource).objects:
                    self.remove(change.resource, change.key, grace=change.resource is PODS)
            case SetStatus():
                key = Key(change.obj["metadata"].get("namespace", ""), change.obj["metadata"]["name"])
                if key not in self.table(change.resource).objects:
                    return
                old = self.table(change.resource).objects[key]
                if old["metadata"]["resourceVersion"] != change.obj["metadata"]["resourceVersion"]:
                    raise Refused("the object has been modified")
                metadata = {
                    **old["metadata"],
                    "annotations": change.obj["metadata"].get("annotations", {}),
                }
                self.put(change.resource, {**old, "metadata": metadata, "status": change.status})
            case Record():
                self.records.append(change)

    def _expect(self, change: Patch | Delete) -> None:
        obj = self.table(change.resource).objects.get(change.key)
        if obj is None:
            return
        metadata = obj["metadata"]
        if change.uid and change.uid != metadata["uid"]:
            raise Refused("another object")
        if change.resource_version and change.resource_version != metadata["resourceVersion"]:
            raise Refused("the object has been modified")

    def _patch(self, change: Patch) -> None:
        self._expect(change)
        obj = self.table(change.resource).objects.get(change.key)
        if obj is None:
            return
        body = orjson.loads(orjson.dumps(change.body))
        owners = (body.get("metadata") or {}).get("ownerReferences")
        if change.kind == "strategic" and owners is not None:
            refs = {ref["uid"]: ref for ref in obj["metadata"].get("ownerReferences") or []}
            for ref in owners:
                if ref.get("$patch") == "delete":
                    refs.pop(ref["uid"], None)
                else:
                    refs[ref["uid"]] = {**refs.get(ref["uid"], {}), **ref}
            body["metadata"]["ownerReferences"] = list(refs.values())
        self.put(change.resource, merge(obj, body))


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    base = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        else:
            base[name] = merge(base.get(name), value)
    return base
