"""What the subresource `resize` may change: cpu and memory of running containers and sidecars.

Source: pkg/apis/core/validation ValidatePodResize, pkg/registry/core/pod podResizeStrategy (1.36).
"""

from api import field
from api.codec.shapes import equal
from api.field import FieldError, Path
from api.podspec import is_mirror, is_sidecar, qos_class
from api.resource import Obj

_RESIZABLE = ("cpu", "memory")
_ONLY = "only cpu and memory resources are mutable"


def refusal(old: Obj, new: Obj) -> list[FieldError]:
    """Return why a pod cannot be resized at all, if so."""
    spec = old.get("spec") or {}
    if any(_has_pod_level(obj) for obj in (old, new)):
        return [field.forbidden(Path("[]"), "pods with pod-level resources cannot be resized")]
    if is_mirror(old):
        return [field.forbidden(Path("[]"), "static pods cannot be resized")]
    if (spec.get("os") or {}).get("name") == "windows":
        return [field.forbidden(Path("[]"), "windows pods cannot be resized")]
    return []


def _has_pod_level(pod: Obj) -> bool:
    resources = (pod.get("spec") or {}).get("resources") or {}
    return bool(resources.get("requests") or resources.get("limits"))


def resize_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check that only cpu and memory changed, none was removed, and the QoS class stays."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if equal(spec, before):
        return []
    errors: list[FieldError] = []
    if qos_class(new) != ((old.get("status") or {}).get("qosClass") or qos_class(old)):
        text = "Pod QOS Class may not change as a result of resizing"
        errors.append(field.invalid(path, qos_class(new), text))
    for name in ("containers", "initContainers"):
        now, was = spec.get(name) or [], before.get(name) or []
        if [each.get("name") for each in now] != [each.get("name") for each in was]:
            text = "containers may not be renamed or reordered on resize"
            return [*errors, field.forbidden(path.child(name), text)]
    for name in ("initContainers", "containers"):
        for number, had in enumerate(before.get(name) or ()):
            if name == "containers" or is_sidecar(had):
                at = path.child(name).index(number).child("resources")
                errors += _removal_errors(spec[name][number], had, at)
    errors += _other_changes(spec, before, path)
    if not errors and not equal(_without_resources(spec), _without_resources(before)):
        errors.append(field.forbidden(path, _ONLY))
    return errors


def _removal_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    now, before = new.get("resources") or {}, old.get("resources") or {}
    return [
        field.forbidden(path.child(which), f"resource {which} cannot be removed")
        for which in ("requests", "limits")
        if (before.get(which) or {}).keys() - (now.get(which) or {}).keys()
    ]


def _other_changes(spec: Obj, before: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for container, had in zip(spec.get("containers") or (), before.get("containers") or (), strict=True):
        if not equal(_unresized(container), _unresized(had)):
            errors.append(field.forbidden(path, _ONLY))
    pairs = zip(spec.get("initContainers") or (), before.get("initContainers") or (), strict=True)
    for container, had in pairs:
        if is_sidecar(container):
            if not equal(_unresized(container), _unresized(had)):
                text = "only cpu and memory resources for sidecar containers are mutable"
                errors.append(field.forbidden(path, text))
        elif not equal(container, had):
            errors.append(field.forbidden(path, "resources for non-sidecar init containers are immutable"))
    return errors


def _without_resources(spec: Obj) -> Obj:
    """Return what of a spec no container has."""
    return {name: value for name, value in spec.items() if name not in ("containers", "initContainers")}


def _unresized(container: Obj) -> Obj:
    """Return a container without what may change."""
    rest = {key: value for key, value in container.items() if key not in ("resources", "resizePolicy")}
    resources = container.get("resources") or {}
    others = {}
    for which in ("requests", "limits"):
        kept = {name: value for name, value in (resources.get(which) or {}).items() if name not in _RESIZABLE}
        if kept:
            others[which] = kept
    return {**rest, "resources": {**others, "claims": resources.get("claims") or []}}
