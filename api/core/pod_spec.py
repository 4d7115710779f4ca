"""Validation of a PodSpec, of pods and of templates.

Source: pkg/apis/core/validation ValidatePodSpec (1.36).
"""

import re

from api import field, names
from api.core.address import ip_errors
from api.core.pod_affinity import affinity_errors, spread_errors, tolerations_errors
from api.core.pod_containers import PodContext, containers_errors
from api.core.pod_os import host_process_errors, os_errors
from api.core.pod_resources import exceeds, requirement_errors
from api.core.pod_security import pod_errors as security_errors
from api.core.pod_volumes import volumes_errors
from api.field import FieldError, Path
from api.meta import validate_labels
from api.podspec import aggregate_requests
from api.resource import Obj

_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?").fullmatch
_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION = ("PreemptLowerPriority", "Never")
# What the kernel takes as the name of a host.
_HOSTNAME_MAX = 64
_MAX_INT32 = (1 << 31) - 1
# Names of other objects that a spec may hold: one plain pattern is enough for nearly all.
_SUBDOMAINS = ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName")
_LABELS = ("hostname", "subdomain")
_NAMESERVERS, _SEARCHES, _SEARCH_LETTERS = 3, 32, 2048
# Fields that most pods lack; one look-up each is what they cost then.
_RARE = frozenset({
    "affinity", "dnsConfig", "readinessGates", "schedulingGates", "topologySpreadConstraints", "hostAliases",
    "resources", "resourceClaims", "os", "overhead", "activeDeadlineSeconds", "hostUsers", "hostname",
    "subdomain", "nodeSelector", "hostNetwork", "hostnameOverride", "schedulingGroup",
})  # fmt: skip


def validate_spec(spec: Obj, path: Path, pod_name: str = "") -> list[FieldError]:
    """Check a spec; `pod_name` is that of a real pod."""
    errors: list[FieldError] = []
    grace_s = spec.get("terminationGracePeriodSeconds")
    if grace_s is None:
        errors.append(field.required(path.child("terminationGracePeriodSeconds")))
    volumes: dict[str, Obj] = {}
    if found := spec.get("volumes"):
        volumes, bad = volumes_errors(found, path.child("volumes"), pod_name)
        errors += bad
    claims = {claim.get("name", "") for claim in spec.get("resourceClaims") or ()}
    host_users = spec.get("hostUsers", True)
    restart = spec.get("restartPolicy", "")
    system = (spec.get("os") or {}).get("name", "")
    context = PodContext(volumes, claims, grace_s, restart, host_users, system)
    errors += containers_errors(spec, context, path)
    if restart not in _RESTART:
        errors.append(_choice(restart, _RESTART, path.child("restartPolicy")))
    if (dns := spec.get("dnsPolicy", "")) not in _DNS:
        errors.append(_choice(dns, _DNS, path.child("dnsPolicy")))
    if spec.get("securityContext") or spec.get("shareProcessNamespace"):
        errors += security_errors(spec, path)
    if dns == "None" and "dnsConfig" not in spec:
        errors.append(
            field.required(path.child("dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None")
        )
    for name in _SUBDOMAINS:
        value = spec.get(name)
        if value and not _PLAIN_NAME(value):
            errors += [
                field.invalid(path.child(name), value, text) for text in names.is_dns1123_subdomain(value)
            ]
    if tolerations := spec.get("tolerations"):
        errors += tolerations_errors(tolerations, path.child("tolerations"))
    preemption = spec.get("preemptionPolicy")
    if preemption is not None and preemption not in _PREEMPTION:
        errors.append(_choice(preemption, _PREEMPTION, path.child("preemptionPolicy")))
    if _uses_windows(spec):
        errors += host_process_errors(spec, path)
    return errors if _RARE.isdisjoint(spec) else errors + _rare_errors(spec, path)


def _uses_windows(spec: Obj) -> bool:
    holders = (spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return any(
        "windowsOptions" in holder["securityContext"] for holder in holders if holder.get("securityContext")
    )


def _choice(value: str, allowed: tuple[str, ...], path: Path) -> FieldError:
    return field.not_supported(path, value, allowed) if value else field.required(path)


def _rare_errors(spec: Obj, path: Path) -> list[FieldError]:
    errors = _claims_errors(spec.get("resourceClaims") or [], path.child("resourceClaims"))
    if resources := spec.get("resources"):
        errors += _pod_level_errors(spec, resources, path.child("resources"))
    if spec.get("hostNetwork"):
        errors += _host_network_errors(spec, path.child("containers"))
    if selector := spec.get("nodeSelector"):
        errors += validate_labels(selector, path.child("nodeSelector"))
    if affinity := spec.get("affinity"):
        errors += affinity_errors(affinity, path.child("affinity"))
    if config := spec.get("dnsConfig"):
        errors += _dns_errors(config, spec.get("dnsPolicy", ""), path.child("dnsConfig"))
    errors += _gates_errors(spec, path)
    if (group := spec.get("schedulingGroup")) is not None:
        errors += _group_errors(group.get("podGroupName"), path.child("schedulingGroup"))
    if constraints := spec.get("topologySpreadConstraints"):
        errors += spread_errors(constraints, path.child("topologySpreadConstraints"))
    return errors + _host_errors(spec, path)


def _host_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check names, host aliases, the operating system and other small things that few specs have."""
    errors: list[FieldError] = []
    if spec.get("hostUsers") is False:
        text = "when `pod.Spec.HostUsers` is false"
        errors += [
            field.forbidden(path.child(shown), text)
            for name, shown in (
                ("hostNetwork", "hostNetwork"),
                ("hostPID", "HostPID"),
                ("hostIPC", "HostIPC"),
            )
            if spec.get(name)
        ]
    seconds = spec.get("activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= _MAX_INT32:
        text = names.range_message(1, _MAX_INT32)
        errors.append(field.invalid(path.child("activeDeadlineSeconds"), seconds, text))
    for name in _LABELS:
        if value := spec.get(name):
            errors += [field.invalid(path.child(name), value, text) for text in names.is_dns1123_label(value)]
    for number, alias in enumerate(spec.get("hostAliases") or ()):
        at = path.child("hostAliases").index(number)
        errors += ip_errors(alias.get("ip", ""), at.child("ip"))
        for place, host in enumerate(alias.get("hostnames") or ()):
            here = at.child("hostnames").index(place)
            errors += [field.invalid(here, host, text) for text in names.is_dns1123_subdomain(host)]
    if overhead := spec.get("overhead"):
        errors += requirement_errors({"limits": overhead}, (), path.child("overhead"))
    if spec.get("hostnameOverride") is not None:
        errors += _override_errors(spec, path)
    return errors + os_errors(spec, path) if spec.get("os") is not None else errors


def _override_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the name that a pod's containers see as their host's."""
    name, at = spec["hostnameOverride"], path.child("hostnameOverride")
    errors = [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]
    if len(name) > _HOSTNAME_MAX:
        errors.append(field.too_long(at, _HOSTNAME_MAX))
    if spec.get("hostNetwork"):
        errors.append(field.forbidden(at, "may not be set when `hostNetwork` is true"))
    if spec.get("setHostnameAsFQDN"):
        errors.append(field.forbidden(at, "may not be set when `setHostnameAsFQDN` is true"))
    return errors


def _claims_errors(claims: list[Obj], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, claim in enumerate(claims):
        at, name = path.index(number), claim.get("name", "")
        if not name:
            errors.append(field.required(at.child("name")))
        elif name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        else:
            errors += [field.invalid(at.child("name"), name, text) for text in names.is_dns1123_label(name)]
        seen.add(name)
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        if direct is not None and template is not None:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(field.invalid(at, claim, text))
        if direct is None and template is None:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(field.invalid(at, claim, text))
    return errors


def _pod_level_errors(spec: Obj, resources: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if "claims" in resources:
        errors.append(
            field.forbidden(path.child("claims"), "claims cannot be set for Resources at pod-level")
        )
    errors += requirement_errors({**resources, "claims": ()}, (), path, pod_level=True)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, total in aggregate_requests(spec).items():
        if exceeds(total, requests.get(name, "0")):
            text = f"must be greater than or equal to aggregate container requests of {total}"
            errors.append(field.invalid(path.child("requests").key(name), requests.get(name, "0"), text))
    for number, container in enumerate(spec.get("containers") or ()):
        own = (container.get("resources") or {}).get("limits") or {}
        for name, limit in own.items():
            if name in limits and exceeds(limit, limits[name]):
                at = path.child("containers").index(number).key(name).child("limits")
                errors.append(
                    field.invalid(at, limit, f"must be less than or equal to pod limits of {limits[name]}")
                )
    return errors


def _host_network_errors(spec: Obj, path: Path) -> list[FieldError]:
    text = "must match `containerPort` when `hostNetwork` is true"
    return [
        field.invalid(
            path.index(number).child("ports").index(place).child("hostPort"), port["hostPort"], text
        )
        for number, container in enumerate(spec.get("containers") or ())
        for place, port in enumerate(container.get("ports") or ())
        if port.get("hostPort") and port["hostPort"] != port.get("containerPort")
    ]


def _gates_errors(spec: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, gate in enumerate(spec.get("readinessGates") or ()):
        at, name = path.child("readinessGates").index(number), gate.get("conditionType", "")
        errors += [
            field.invalid(at.child("conditionType"), name, text) for text in names.is_qualified_name(name)
        ]
    seen: set[str] = set()
    for number, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = path.child("schedulingGates").index(number), gate.get("name", "")
        errors += [field.invalid(at, name, text) for text in names.is_qualified_name(name)]
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
    return errors


def _group_errors(name: str | None, path: Path) -> list[FieldError]:
    if name is None:
        return [field.invalid(path, "", "must specify one of: `podGroupName`")]
    return [
        field.invalid(path.child("podGroupName"), name, text) for text in names.is_dns1123_subdomain(name)
    ]


def _dns_errors(config: Obj, policy: str, path: Path) -> list[FieldError]:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    at = path.child("nameservers")
    if policy == "None" and not servers:
        return [field.required(at, "must provide at least one DNS nameserver when `dnsPolicy` is None")]
    errors: list[FieldError] = []
    if len(servers) > _NAMESERVERS:
        errors.append(field.invalid(at, servers, f"must not have more than {_NAMESERVERS} nameservers"))
    for number, server in enumerate(servers):
        errors += ip_errors(server, at.index(number))
    at = path.child("searches")
    if len(searches) > _SEARCHES:
        errors.append(field.invalid(at, searches, f"must not have more than {_SEARCHES} search paths"))
    if len(" ".join(searches)) > _SEARCH_LETTERS:
        text = f"must not have more than {_SEARCH_LETTERS} characters (including spaces) in the search list"
        errors.append(field.invalid(at, searches, text))
    for number, search in enumerate(searches):
        plain = search.removesuffix(".").replace("_", "-")
        if search != ".":
            errors += [
                field.invalid(at.index(number), search, text) for text in names.is_dns1123_subdomain(plain)
            ]
    for number, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(field.required(path.child("options").index(number), "must not be empty"))
    return errors
