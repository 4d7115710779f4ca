"""What of a pod's spec is legal, but surely not meant: told to who creates it, as warnings.

Source: pkg/api/pod/warnings.go GetWarningsForPod, warningsForPodSpecAndMeta (1.36).
"""

from collections.abc import Iterator
from typing import Any

from api.field import Path
from api.quantity import parse_quantity
from api.resource import Obj

_LISTS = ("initContainers", "containers")
_RENAMED = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_OLD_VOLUMES = {
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}

_OLD = frozenset(_OLD_VOLUMES)
_BYTES = ("memory", "ephemeral-storage")


def spec_warnings(spec: Obj, path: Path) -> list[str]:
    """Return the warnings about a spec, of a pod or a template."""
    found: list[str] = []
    if selector := spec.get("nodeSelector"):
        at = path.child("nodeSelector")
        for key in selector:
            found += label_warnings(key, at.key(key))
    for number, volume in enumerate(spec.get("volumes") or ()):
        if not _OLD.isdisjoint(volume):
            at = path.child("volumes").index(number)
            found += [f"{at.child(name)}: {_OLD_VOLUMES[name]}" for name in volume if name in _OLD]
    if secrets := spec.get("imagePullSecrets"):
        found += _secret_warnings(secrets, path.child("imagePullSecrets"))
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path.child('terminationGracePeriodSeconds')}: {text}")
    for name in _LISTS:
        for number, container in enumerate(spec.get(name) or ()):
            if _may_be_odd(container):
                found += _container_warnings(container, path.child(name).index(number))
    return found


def _may_be_odd(container: Obj) -> bool:
    """Say whether a container is worth a closer look: nearly none is."""
    if len(container.get("ports") or ()) > 1:
        return True
    variables = container.get("env") or ()
    if len({variable.get("name") for variable in variables}) < len(variables):
        return True
    resources = container.get("resources") or {}
    for which in ("limits", "requests"):
        amounts = resources.get(which) or {}
        if any(_is_fraction(amounts.get(name, "")) for name in _BYTES):
            return True
    return False


def label_warnings(key: str, path: Path) -> list[str]:
    """Return the warning about an old name of a node's label. Spec: GetLabelDeprecatedMessage (1.36)."""
    if key not in _RENAMED:
        return []
    version, new = _RENAMED[key]
    return [f'{path}: deprecated since {version}; use "{new}" instead']


def _secret_warnings(secrets: Any, path: Path) -> Iterator[str]:
    seen: set[str] = set()
    for number, secret in enumerate(secrets):
        name, at = secret.get("name", ""), path.index(number)
        if not name:
            yield f'{at}: invalid empty name ""'
        elif name in seen:
            yield f'{at}: duplicate name "{name}"'
        seen.add(name)


def _container_warnings(container: Obj, path: Path) -> Iterator[str]:
    resources = container.get("resources") or {}
    for which in ("limits", "requests"):
        for name in _BYTES:
            quantity = (resources.get(which) or {}).get(name)
            if quantity is not None and _is_fraction(quantity):
                at = path.child("resources").child(which).key(name)
                shown = parse_quantity(quantity)
                yield f'{at}: fractional byte value "{shown}" is invalid, must be an integer'
    seen: set[str] = set()
    for number, variable in enumerate(container.get("env") or ()):
        name = variable.get("name", "")
        if name in seen:
            at = path.child("env").index(number)
            yield f'{at}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)
    yield from _port_warnings(container.get("ports") or [], path.child("ports"))


def _is_fraction(quantity: Any) -> bool:
    text = str(quantity)
    # Nearly all end in a unit or digit of whole bytes: only these may not.
    return text.endswith(("m", "u", "n")) and parse_quantity(text).nano % 10**9 != 0


def _port_warnings(ports: list[Obj], path: Path) -> Iterator[str]:
    if len(ports) < 2:
        return
    seen: dict[tuple[Any, ...], int] = {}
    for number, port in enumerate(ports):
        key = tuple(port.get(name) for name in ("containerPort", "protocol", "hostIP", "hostPort"))
        if key in seen:
            yield f"{path.index(number)}: duplicate port definition with {path.index(seen[key])}"
        seen.setdefault(key, number)
