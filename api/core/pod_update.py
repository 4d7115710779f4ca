"""What may change in a pod after its creation: little of the spec, and ephemeral containers may be added.

Called by `pod`; `pod_status` and `pod_resize` hold the rules of those subresources.
Source: pkg/apis/core/validation ValidatePodUpdate, ValidatePodEphemeralContainersUpdate (1.36).
"""

from typing import Any

from api import field, names
from api.codec.shapes import equal
from api.core.pod_affinity import tolerations_errors
from api.field import FieldError, Path
from api.podspec import is_mirror
from api.resource import Obj

_MAX_INT32 = (1 << 31) - 1
_UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_spec_update(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check what an ordinary update does to the spec."""
    if equal(new, old):
        return []
    for name in ("containers", "initContainers"):
        if len(new.get(name) or ()) != len(old.get(name) or ()):
            return [field.forbidden(path.child(name), "pod updates may not add or remove containers")]
    errors, stop = _deadline_errors(new, old, path.child("activeDeadlineSeconds"))
    if stop:
        return errors
    errors += _toleration_errors(
        new.get("tolerations") or [], old.get("tolerations") or [], path.child("tolerations")
    )
    errors += _gate_errors(new.get("schedulingGates") or [], old.get("schedulingGates") or [],
                           path.child("schedulingGates"))  # fmt: skip
    gated, more = _gated(new, old, path)
    errors += more
    if not equal(_comparable(gated, old), _comparable(old, old)):
        errors.append(
            field.forbidden(
                path, f"{_UPDATABLE}\n{_difference(_comparable(gated, old), _comparable(old, old))}"
            )
        )
    return errors


def _deadline_errors(new: Obj, old: Obj, path: Path) -> tuple[list[FieldError], bool]:
    now, before = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    if now is None:
        text = "must not update from a positive integer to nil value"
        return ([] if before is None else [field.invalid(path, None, text)]), False
    if not 0 <= now <= _MAX_INT32:
        return [field.invalid(path, now, names.range_message(0, _MAX_INT32))], True
    if before is not None and before < now:
        return [field.invalid(path, now, "must be less than or equal to previous value")], True
    return [], False


def _toleration_errors(new: list[Obj], old: list[Obj], path: Path) -> list[FieldError]:
    kept = [_without_seconds(toleration) for toleration in new]
    if any(_without_seconds(toleration) not in kept for toleration in old):
        return [field.forbidden(path, "existing toleration can not be modified except its tolerationSeconds")]
    return tolerations_errors(new, path)


def _without_seconds(toleration: Obj) -> Obj:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}


def _gate_errors(new: list[Obj], old: list[Obj], path: Path) -> list[FieldError]:
    before = {gate.get("name") for gate in old}
    return [
        field.forbidden(
            path.index(number).child("name"),
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for number, gate in enumerate(new)
        if gate.get("name") not in before
    ]


def _gated(new: Obj, old: Obj, path: Path) -> tuple[Obj, list[FieldError]]:
    """While a pod waits behind gates its node selector may be narrowed and its node affinity set."""
    if not old.get("schedulingGates"):
        return new, []
    errors: list[FieldError] = []
    before, now = old.get("nodeSelector") or {}, new.get("nodeSelector") or {}
    if any(now.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(field.invalid(path.child("nodeSelector"), now, text))
    errors += _node_affinity_errors(new, old, path.child("affinity").child("nodeAffinity"))
    merged = {**new, "nodeSelector": old.get("nodeSelector")}
    affinity = {
        **(new.get("affinity") or {}),
        "nodeAffinity": (old.get("affinity") or {}).get("nodeAffinity"),
    }
    merged["affinity"] = _present(affinity) or old.get("affinity")
    return _present(merged), errors


def _present(obj: Obj) -> Obj:
    return {name: value for name, value in obj.items() if value is not None}


def _node_affinity_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    before = (((old.get("affinity") or {}).get("nodeAffinity") or {}).get(required) or {}).get(
        "nodeSelectorTerms"
    )
    now = (((new.get("affinity") or {}).get("nodeAffinity") or {}).get(required) or {}).get(
        "nodeSelectorTerms"
    )
    at = path.child(required).child("nodeSelectorTerms")
    if not before:
        return []
    if len(now or ()) != len(before):
        return [
            field.invalid(at, now, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        ]
    errors = []
    for number, (term, old_term) in enumerate(zip(now or (), before, strict=True)):
        for name in ("matchExpressions", "matchFields"):
            wanted, had = term.get(name) or [], old_term.get(name) or []
            if wanted[: len(had)] != had:
                text = "only additions are allowed (no mutations or deletions)"
                errors.append(field.invalid(at.index(number), term, text))
    return errors


def _comparable(spec: Obj, old: Obj) -> Obj:
    """Return a spec in which everything that may change is as in the old one."""
    merged = {**spec}
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        merged.pop(name, None)
    for name in ("containers", "initContainers"):
        if name in merged:
            merged[name] = [{key: value for key, value in c.items() if key != "image"} for c in merged[name]]
    if old.get("terminationGracePeriodSeconds", 0) < 0 and merged.get("terminationGracePeriodSeconds") == 1:
        merged["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return merged


def _difference(new: Any, old: Any, path: str = "spec") -> str:
    """Return the first differences of two specs, one a line, so that the user sees what was refused."""
    if isinstance(new, dict) and isinstance(old, dict):
        parts = [
            _difference(new.get(name), old.get(name), f"{path}.{name}")
            for name in sorted({*new, *old})
            if new.get(name) != old.get(name)
        ]
        return "\n".join(parts)
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        pairs = enumerate(zip(new, old, strict=True))
        return "\n".join(_difference(a, b, f"{path}[{number}]") for number, (a, b) in pairs if a != b)
    return f"  {path}: {old!r} -> {new!r}"


def validate_ephemeral_update(new_pod: Obj, old_pod: Obj, path: Path) -> list[FieldError]:
    """Check that ephemeral containers were only added, and nothing else changed."""
    if is_mirror(old_pod):
        return [field.forbidden(Path("[]"), "static pods do not support ephemeral containers")]
    new, old = new_pod.get("spec") or {}, old_pod.get("spec") or {}
    at = path.child("ephemeralContainers")
    now = {c.get("name"): c for c in new.get("ephemeralContainers") or ()}
    errors: list[FieldError] = []
    for container in old.get("ephemeralContainers") or ():
        name = container.get("name")
        if name not in now:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(field.forbidden(at, text))
        elif not equal(now[name], container):
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(field.forbidden(at, text))
    return errors
