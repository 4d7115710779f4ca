"""Alpha features of this server, off unless asked for, and which kinds and fields belong to them. Pure.

    --feature-gates=GenericWorkload=true                  by upstream's names; AllAlpha is all of them
    --runtime-config=scheduling.k8s.io/v1alpha2=true      an alpha group version; api/alpha, api/all are all

A kind of a feature is served if both its version and its gate are on. A field of a feature that is off is
dropped from what clients write, unless the object has it already.
Source: pkg/features/kube_features.go, pkg/api/pod/util.go, k8s.io/apiserver/pkg/server/resourceconfig (1.36).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.catalog import ALL
from api.resource import Obj, Resource

GENERIC_WORKLOAD = "GenericWorkload"
# Every gate with those that it needs. `GangScheduling` is the scheduler's: here it is only known.
_GATES: Mapping[str, tuple[str, ...]] = {GENERIC_WORKLOAD: (), "GangScheduling": (GENERIC_WORKLOAD,)}
_ALL_ALPHA = "AllAlpha"
_GATE_OF_VERSION: Mapping[tuple[str, str], str] = {("scheduling.k8s.io", "v1alpha2"): GENERIC_WORKLOAD}
# Words for all versions of a kind.
_ALPHA = "api/alpha"
_CLASSES = frozenset((_ALPHA, "api/beta", "api/ga", "api/all"))
# Where the spec of a pod is in the objects that hold one.
_POD_SPECS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): ("spec",),
    ("", "podtemplates"): ("template", "spec"),
    ("", "replicationcontrollers"): ("spec", "template", "spec"),
    ("apps", "daemonsets"): ("spec", "template", "spec"),
    ("apps", "deployments"): ("spec", "template", "spec"),
    ("apps", "replicasets"): ("spec", "template", "spec"),
    ("apps", "statefulsets"): ("spec", "template", "spec"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template", "spec"),
    ("batch", "jobs"): ("spec", "template", "spec"),
}
_GROUP = "schedulingGroup"

# (the object to be stored, the present one or {}) -> the object without fields of features that are off.
Drop: TypeAlias = Callable[[Obj, Obj], Obj]


@dataclass(frozen=True)
class Features:
    """What is on: names of gates, and (group, version) of the alpha versions."""

    gates: frozenset[str] = frozenset()
    versions: frozenset[tuple[str, str]] = frozenset()

    def is_on(self, gate: str) -> bool:
        return gate in self.gates

    def serves(self, resource: Resource[Any]) -> bool:
        """Say whether a built-in resource is to be served."""
        key = (resource.group, resource.version)
        gate = _GATE_OF_VERSION.get(key)
        return gate is None or (gate in self.gates and key in self.versions)

    def drop_of(self, resource: Resource[Any]) -> Drop | None:
        """Return what takes fields of features that are off from objects of a resource; None: there are
        none.
        """
        path = _POD_SPECS.get((resource.group, resource.plural))
        if path is None or self.is_on(GENERIC_WORKLOAD):
            return None
        return lambda new, old: new if _GROUP in _at(old, path) else _without(new, path, _GROUP)


# Nothing alpha is on.
PLAIN = Features()


def read(gates: Iterable[str], versions: Iterable[str]) -> Features:
    """Return the features that two flags ask for, each a list of NAME=true|false. Raises `ValueError`."""
    on = _gates(_pairs(gates))
    return Features(frozenset(on), frozenset(_versions(_pairs(versions))))


def _pairs(items: Iterable[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for item in items:
        name, _, value = item.partition("=")
        if value not in ("true", "false"):
            raise ValueError(f"invalid value of {name}: {value!r}, expected true or false")
        found[name] = value == "true"
    return found


def _gates(asked: dict[str, bool]) -> set[str]:
    if unknown := sorted(asked.keys() - _GATES.keys() - {_ALL_ALPHA}):
        raise ValueError(f"unrecognized feature gate: {', '.join(unknown)}")
    on = {name for name in _GATES if asked.get(name, asked.get(_ALL_ALPHA, False))}
    for name in sorted(on):
        if missing := [needed for needed in _GATES[name] if needed not in on]:
            raise ValueError(f"{name} is enabled, but depends on features that are disabled: {missing}")
    return on


def _versions(asked: dict[str, bool]) -> set[tuple[str, str]]:
    known = {item.group_version: (item.group, item.version) for item in ALL}
    alpha = {name: key for name, key in known.items() if key in _GATE_OF_VERSION}
    for name, wanted in asked.items():
        if name not in known and name not in _CLASSES:
            raise ValueError(f"unknown api version in --runtime-config: {name}")
        if name not in alpha and name != _ALPHA and not wanted:
            raise ValueError(f"{name} cannot be turned off: only alpha versions can")
    every = asked.get(_ALPHA, asked.get("api/all", False))
    return {key for name, key in alpha.items() if asked.get(name, every)}


def _at(obj: Obj, path: tuple[str, ...]) -> Obj:
    for name in path:
        obj = obj.get(name) or {}
    return obj


def _without(obj: Obj, path: tuple[str, ...], name: str) -> Obj:
    """Return the object without one field at the end of a path, the same one if it has none."""
    if not path:
        return {key: value for key, value in obj.items() if key != name} if name in obj else obj
    child = obj.get(path[0])
    if not child:
        return obj
    made = _without(child, path[1:], name)
    return obj if made is child else {**obj, path[0]: made}
