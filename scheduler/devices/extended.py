"""Extended resources that devices back: a container asks for `example.com/gpu: 2`, a DeviceClass says that it
stands for that name, and on nodes that do not offer the resource themselves two devices of the class will do.

The claim for them is made by the scheduler once the node is chosen: one request per container and resource.
Init containers that end before others begin use what those will have, and share what they need beyond it.
Pure. Called by the plugin and by NodeResourcesFit, which leaves such resources to it.
Source: pkg/scheduler/framework/plugins/dynamicresources extendeddynamicresources.go (1.36), KEP-5004.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from api.core.pod_resources import is_extended
from api.dra.claims import CLASS_PREFIX, EXTENDED_ANNOTATION
from api.podspec import is_sidecar
from api.quantity import value
from api.types.core_v1 import Pod
from api.types.resource_v1 import DEVICECLASSES
from scheduler.devices.inventory import CLASSES_BY_RESOURCE
from scheduler.objects import Objects

Json = dict[str, Any]
# What the claim is called until it has a name.
NAME = "<extended-resources>"


def class_of(resource: str, objects: Objects) -> Mapping[str, Any] | None:
    """Return the class whose devices stand for a resource: of several the newest."""
    if resource.startswith(CLASS_PREFIX):
        found: Mapping[str, Any] | None = objects.get(DEVICECLASSES, "", resource.removeprefix(CLASS_PREFIX))
        return found
    if "/" not in resource or not is_extended(resource):
        return None
    classes = objects.find(CLASSES_BY_RESOURCE, resource).values()
    by_name = sorted(classes, key=lambda each: str(each["metadata"]["name"]))
    return max(by_name, key=lambda each: each["metadata"].get("creationTimestamp", ""), default=None)


def backed(requests: Collection[str], objects: Objects) -> dict[str, Mapping[str, Any]]:
    """Return the classes of those resources that devices stand for, by resource."""
    return {
        name: found for name in requests if "/" in name and (found := class_of(name, objects)) is not None
    }


@dataclass(frozen=True)
class ExtendedClaim:
    """What a claim for extended resources asks for, and which container gets which request."""

    requests: tuple[Json, ...]
    mappings: tuple[Json, ...]

    @property
    def spec(self) -> Json:
        return {"devices": {"requests": list(self.requests)}}


def extended_claim(pod: Pod, classes: Mapping[str, Mapping[str, Any]]) -> ExtendedClaim:
    """Return the claim for these resources of a pod."""
    requests: list[Json] = []
    mappings: list[Json] = []
    for resource in sorted(classes):
        made = _Resource(pod, resource, classes[resource]["metadata"]["name"])
        requests += made.requests()
        mappings += made.mappings
    return ExtendedClaim(tuple(sorted(requests, key=lambda each: str(each["name"]))), tuple(mappings))


class _Resource:
    """One resource of all containers."""

    def __init__(self, pod: Pod, resource: str, class_name: str) -> None:
        inits: list[Any] = list(pod["spec"].get("initContainers") or ())
        self._containers = [*inits, *pod["spec"]["containers"]]
        self._short = [n for n, each in enumerate(inits) if not is_sidecar(each)]
        self._resource, self._class = resource, class_name
        # By the number of the container: those that keep what they get, those that do not.
        self._kept: dict[int, Json] = {}
        self._lent: list[Json] = []
        self.mappings: list[Json] = []
        for number in range(len(self._containers)):
            if number not in self._short and (request := self._request(number, 0)) is not None:
                self._kept[number] = request
                self._map(number, request)
        lent = [mapping for number in self._short for mapping in self._lend(number)]
        names, largest = {each["name"] for each in self._lent}, self._largest()
        for mapping in lent:
            if largest is not None and mapping["requestName"] in names:
                mapping["requestName"] = largest["name"]
        self.mappings += lent

    def requests(self) -> list[Json]:
        largest = self._largest()
        return [*self._kept.values(), *([largest] if largest is not None else [])]

    def _largest(self) -> Json | None:
        return max(self._lent, key=lambda each: int(each["exactly"]["count"]), default=None)

    def _lend(self, number: int) -> list[Json]:
        """Return the requests that a container uses which ends before those after it begin."""
        wanted, have, used = self._amount(number), 0, []
        for later, request in self._kept.items():
            if later > number and have < wanted:
                have += request["exactly"]["count"]
                used.append(request)
        own = self._request(number, have)
        if own is not None:
            self._lent.append(own)
            used.append(own)
        return [self._mapping(number, each) for each in used]

    def _amount(self, number: int) -> int:
        requests = (self._containers[number].get("resources") or {}).get("requests") or {}
        return value(requests.get(self._resource, "0"))

    def _request(self, number: int, have: int) -> Json | None:
        """Return the request of a container for what it needs beyond what it has."""
        missing = self._amount(number) - have
        if missing <= 0:
            return None
        names = sorted(self._containers[number]["resources"]["requests"])
        name = f"container-{number}-request-{names.index(self._resource)}"
        wish = {"deviceClassName": self._class, "allocationMode": "ExactCount", "count": missing}
        return {"name": name, "exactly": wish}

    def _map(self, number: int, request: Json) -> None:
        self.mappings.append(self._mapping(number, request))

    def _mapping(self, number: int, request: Json) -> Json:
        return {
            "containerName": self._containers[number]["name"],
            "resourceName": self._resource,
            "requestName": request["name"],
        }


def claim_object(pod: Pod, claim: ExtendedClaim) -> Json:
    """Return the claim as it is created."""
    metadata = pod["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            "generateName": f"{metadata['name']}-extended-resources-",
            "namespace": metadata["namespace"],
            "ownerReferences": [owner],
            "annotations": {EXTENDED_ANNOTATION: "true"},
        },
        "spec": claim.spec,
    }
