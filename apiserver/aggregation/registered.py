"""The APIServices that the server itself registers: of its built-in group versions, and of definitions. Pure.

    built-in     label automanaged=onstart, the priorities of the catalog
    definitions  label automanaged=true, behind everything else; gone with the last definition of the version

Called by the bootstrap objects and by `registration.py`.
Source: pkg/controlplane/apiserver/aggregator.go, pkg/controlplane/controller/crdregistration (1.36).
"""

from collections.abc import Iterable
from typing import Any

from api.catalog import ALL, GROUP_PRIORITIES
from api.resource import Obj, Resource

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"
# Behind every built-in group and most servers of others. Spec: crdregistration_controller.go (1.36).
_CUSTOM_GROUP_PRIORITY, _CUSTOM_VERSION_PRIORITY = 1000, 100
# `versionPriority` where it is not the usual one.
_VERSIONS = {("", "v1"): 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21}
_USUAL_VERSION = 15
# The group of APIServices is the aggregator's own: it registers none.
_OWN = "apiregistration.k8s.io"


def builtin(resources: Iterable[Resource[Any]] = ALL) -> list[Obj]:
    """Return the APIServices of the built-in group versions."""
    served = dict.fromkeys((item.group, item.version) for item in resources if item.group != _OWN)
    return [
        new_local(
            group,
            version,
            ON_START,
            (GROUP_PRIORITIES[group], _VERSIONS.get((group, version), _USUAL_VERSION)),
        )
        for group, version in served
    ]


def of_definition(definition: Obj) -> dict[str, Obj]:
    """Return the APIServices of the served versions of a CustomResourceDefinition, by name."""
    found: dict[str, Obj] = {}
    if definition["metadata"].get("deletionTimestamp"):
        return found
    spec = definition["spec"]
    for version in spec.get("versions") or ():
        if version.get("served"):
            priorities = (_CUSTOM_GROUP_PRIORITY, _CUSTOM_VERSION_PRIORITY)
            made = new_local(spec["group"], version["name"], ALWAYS, priorities)
            found[made["metadata"]["name"]] = made
    return found


def new_local(group: str, version: str, managed: str, priorities: tuple[int, int]) -> Obj:
    """Return the APIService of a group version that this server serves."""
    spec = {"version": version, "groupPriorityMinimum": priorities[0], "versionPriority": priorities[1]}
    if group:
        spec["group"] = group
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}", "labels": {AUTOMANAGED: managed}},
        "spec": spec,
    }


def is_managed(obj: Obj, managed: str) -> bool:
    return bool((obj["metadata"].get("labels") or {}).get(AUTOMANAGED) == managed)
