"""What may change in a pod after its creation, by subresource.

Source: pkg/apis/core/validation ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodResize,
ValidatePodEphemeralContainersUpdate (1.36).
"""

from typing import Any

from api import field, names
from api.codec.shapes import equal
from api.core.address import ip_errors, ip_family
from api.core.pod_affinity import tolerations_errors
from api.field import FieldError, Path
from api.podspec import is_sidecar, qos_class
from api.resource import Obj

_MAX_INT32 = (1 << 31) - 1
_UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_RESIZABLE = ("cpu", "memory")


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


def validate_status(new: Obj, old: Obj) -> list[FieldError]:
    """Check a new status: readiness gates' conditions are free, containers do not come back to life."""
    status, before = new.get("status") or {}, old.get("status") or {}
    path = Path("status")
    errors: list[FieldError] = []
    for number, condition in enumerate(status.get("conditions") or ()):
        found = names.is_qualified_name(condition.get("type", ""))
        at = path.child("conditions").index(number).child("type")
        errors += [field.invalid(at, condition.get("type", ""), text) for text in found]
    nominated = status.get("nominatedNodeName")
    if nominated:
        at = path.child("nominatedNodeName")
        errors += [field.invalid(at, nominated, text) for text in names.is_dns1123_subdomain(nominated)]
    errors += _transition_errors(status, before, new.get("spec") or {}, path)
    errors += _ips_errors(status.get("podIPs") or [], path.child("podIPs"))
    hosts = status.get("hostIPs") or []
    if hosts and status.get("hostIP", "") != hosts[0].get("ip"):
        at = path.child("hostIPs").index(0).child("ip")
        errors.append(field.invalid(at, hosts[0].get("ip"), "must be equal to `hostIP`"))
    return errors + _ips_errors(hosts, path.child("hostIPs"))


def _transition_errors(status: Obj, before: Obj, spec: Obj, path: Path) -> list[FieldError]:
    restart = spec.get("restartPolicy")
    if restart == "Always":
        return []
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if is_sidecar(c)}
    errors: list[FieldError] = []
    for name in ("containerStatuses", "initContainerStatuses"):
        now = {each.get("name"): each for each in status.get(name) or ()}
        for number, was in enumerate(before.get(name) or ()):
            ended = (was.get("state") or {}).get("terminated")
            if ended is None or was.get("name") in sidecars or was.get("name") not in now:
                continue
            if ended.get("exitCode", 0) != 0 and restart == "OnFailure":
                continue
            if "terminated" not in (now[was.get("name")].get("state") or {}):
                at = path.child(name).index(number).child("state")
                errors.append(field.forbidden(at, "may not be transitioned to non-terminated state"))
    return errors


def _ips_errors(entries: list[Obj], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, entry in enumerate(entries):
        errors += ip_errors(entry.get("ip", ""), path.index(number))
    families = [ip_family(entry.get("ip", "")) for entry in entries]
    if len(entries) > 1 and (len(set(families)) < len(families) or len(families) > 2):
        errors.append(field.invalid(path, entries, "may specify no more than one IP for each IP family"))
    return errors


def validate_ephemeral_update(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check that ephemeral containers were only added, and nothing else changed."""
    at = path.child("ephemeralContainers")
    now = {c.get("name"): c for c in new.get("ephemeralContainers") or ()}
    errors: list[FieldError] = []
    for number, container in enumerate(old.get("ephemeralContainers") or ()):
        name = container.get("name")
        if name not in now:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(field.forbidden(at, text))
        elif not equal(now[name], container):
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(field.forbidden(at.index(number), text))
    return errors


def validate_resize(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check that only cpu and memory changed, none was removed and the QoS class stays."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if equal(spec, before):
        return []
    errors: list[FieldError] = []
    if qos_class(new) != ((old.get("status") or {}).get("qosClass") or qos_class(old)):
        at, text = Path("spec"), "Pod QOS Class may not change as a result of resizing"
        errors.append(field.invalid(at, qos_class(new), text))
    for name in ("containers", "initContainers"):
        now, was = spec.get(name) or [], before.get(name) or []
        if [c.get("name") for c in now] != [c.get("name") for c in was]:
            text = "containers may not be renamed or reordered on resize"
            return [*errors, field.forbidden(path.child(name), text)]
        for number, (container, had) in enumerate(zip(now, was, strict=True)):
            at = path.child(name).index(number)
            errors += _resize_errors(container, had, at, mutable=name == "containers" or is_sidecar(had))
    if not equal(_without_resources(spec), _without_resources(before)):
        errors.append(field.forbidden(path, "only cpu and memory resources are mutable"))
    return errors


def _resize_errors(new: Obj, old: Obj, path: Path, mutable: bool) -> list[FieldError]:
    now, before = new.get("resources") or {}, old.get("resources") or {}
    if not mutable:
        if equal(now, before):
            return []
        text = "resources for non-sidecar init containers are immutable"
        return [field.invalid(path.child("resources"), now, text)]
    errors: list[FieldError] = []
    for which in ("requests", "limits"):
        wanted, had = now.get(which) or {}, before.get(which) or {}
        if any(name in had and name not in wanted for name in _RESIZABLE):
            at = path.child("resources").child(which)
            errors.append(field.forbidden(at, f"resource {which} cannot be removed"))
    return errors


def _without_resources(spec: Obj) -> Obj:
    merged = {**spec}
    for name in ("containers", "initContainers"):
        if name in merged:
            merged[name] = [_unresized(container) for container in merged[name]]
    return merged


def _unresized(container: Obj) -> Obj:
    rest = {key: value for key, value in container.items() if key not in ("resources", "resizePolicy")}
    resources = container.get("resources") or {}
    others = {}
    for which in ("requests", "limits"):
        kept = {name: value for name, value in (resources.get(which) or {}).items() if name not in _RESIZABLE}
        if kept:
            others[which] = kept
    return {**rest, "resources": {**others, "claims": resources.get("claims") or []}}
