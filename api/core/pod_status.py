"""What may be written as the status of a pod.

Source: pkg/apis/core/validation ValidatePodStatusUpdate (1.36).
"""

from typing import Any

from api import field, names
from api.core.address import ip_errors, ip_family
from api.core.pod_restart import may_restart
from api.field import FieldError, Path
from api.meta import IMMUTABLE
from api.resource import Obj

_STATUS = Path("status")
# Upstream looks for conditions in the metadata; clients have learnt to read that.
_CONDITIONS = Path("metadata").child("conditions")
_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})


def status_errors(new: Obj, old: Obj) -> list[FieldError]:
    """Check a new status: conditions of readiness gates are free, what ended for good does not run again."""
    status, before = new.get("status") or {}, old.get("status") or {}
    errors: list[FieldError] = []
    for number, condition in enumerate(status.get("conditions") or ()):
        kind = condition.get("type", "")
        if kind not in _SYSTEM_CONDITIONS and (found := names.is_qualified_name(kind)):
            errors += [field.invalid(_CONDITIONS.index(number).child("Type"), kind, text) for text in found]
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        at = _STATUS.child("nominatedNodeName")
        errors += [field.invalid(at, nominated, text) for text in names.is_dns1123_subdomain(nominated)]
    if status.get("qosClass", "") != before.get("qosClass", ""):
        errors.append(field.invalid(_STATUS.child("qosClass"), status.get("qosClass", ""), IMMUTABLE))
    errors += _transition_errors(status, before, old.get("spec") or {})
    if claims := status.get("resourceClaimStatuses"):
        errors += _claim_errors(claims, (new.get("spec") or {}).get("resourceClaims") or [])
    errors += _ips_errors(status.get("podIPs") or [], _STATUS.child("podIPs"))
    hosts = status.get("hostIPs") or []
    if hosts and status.get("hostIP", "") != hosts[0].get("ip"):
        at = _STATUS.child("hostIPs").index(0).child("ip")
        errors.append(field.invalid(at, hosts[0].get("ip"), "must be equal to `hostIP`"))
    return errors + _ips_errors(hosts, _STATUS.child("hostIPs"))


def _transition_errors(status: Obj, before: Obj, spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, source in (
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
        ("ephemeralContainerStatuses", ""),
    ):
        now: dict[Any, Obj] | None = None
        for number, was in enumerate(before.get(name) or ()):
            ended = (was.get("state") or {}).get("terminated")
            if ended is None:
                continue
            now = now or {each.get("name"): each for each in status.get(name) or ()}
            current = now.get(was.get("name"))
            if current is None or "terminated" in (current.get("state") or {}):
                continue
            if source and _comes_back(spec, source, was.get("name"), ended.get("exitCode", 0)):
                continue
            at = _STATUS.child(name).index(number).child("state")
            errors.append(field.forbidden(at, "may not be transitioned to non-terminated state"))
    return errors


def _comes_back(spec: Obj, source: str, name: Any, exit_code: int) -> bool:
    if spec.get("restartPolicy") == "Always":
        return True
    container = next((each for each in spec.get(source) or () if each.get("name") == name), None)
    return may_restart(spec, container, exit_code)


def _claim_errors(statuses: list[Obj], claims: list[Obj]) -> list[FieldError]:
    known = {claim.get("name") for claim in claims}
    errors: list[FieldError] = []
    seen: set[Any] = set()
    for number, status in enumerate(statuses):
        at, name = _STATUS.child("resourceClaimStatuses").index(number).child("name"), status.get("name", "")
        if name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(field.invalid(at, name, text))
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
        if (claim := status.get("resourceClaimName")) is not None:
            errors += [field.invalid(at, claim, text) for text in names.is_dns1123_subdomain(claim)]
    return errors


def _ips_errors(entries: list[Obj], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, entry in enumerate(entries):
        errors += ip_errors(entry.get("ip", ""), path.index(number))
    if len(entries) < 2:
        return errors
    families = [ip_family(entry.get("ip", "")) for entry in entries]
    if len(set(families)) < 2 or len(entries) > 2:
        errors.append(field.invalid(path, entries, "may specify no more than one IP for each IP family"))
    texts = [entry.get("ip") for entry in entries]
    repeated = [number for number, text in enumerate(texts) if text in texts[:number]]
    return errors + [field.duplicate(path.index(number), entries[number]) for number in repeated]
