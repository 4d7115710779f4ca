"""Validation of the security contexts of pods and containers.

Source: pkg/apis/core/validation ValidateSecurityContext, validatePodSpecSecurityContext,
validateSysctls (1.36).
"""

import re

from api import field
from api.core.pod_mounts import descending_path_errors
from api.core.pod_os import windows_options_errors
from api.field import FieldError, Path
from api.resource import Obj

_MAX_ID = (1 << 31) - 1
_ID_RANGE = f"must be between 0 and {_MAX_ID}, inclusive"
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*").fullmatch
_SYSCTL_MAX = 253
_SYSCTL_TEXT = (
    "must have at most 253 characters and match regex "
    "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
)
_GROUP_POLICIES = ("Always", "OnRootMismatch")
_SUPPLEMENTAL = ("Merge", "Strict")
_SELINUX_CHANGES = ("MountOption", "Recursive")
_CHOICES = (
    ("fsGroupChangePolicy", _GROUP_POLICIES),
    ("supplementalGroupsPolicy", _SUPPLEMENTAL),
    ("seLinuxChangePolicy", _SELINUX_CHANGES),
)
_PROC_MOUNTS = ("Default", "Unmasked")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROFILE_MAX = 4095


def container_errors(security: Obj, path: Path, host_users: bool) -> list[FieldError]:
    """Check the security context of a container."""
    errors = id_errors(security, "runAsUser", path) + id_errors(security, "runAsGroup", path)
    escalation = security.get("allowPrivilegeEscalation")
    if (proc := security.get("procMount")) is not None:
        if proc not in _PROC_MOUNTS:
            errors.append(field.not_supported(path.child("procMount"), proc, _PROC_MOUNTS))
        if proc == "Unmasked" and host_users:
            text = "`hostUsers` must be false to use `Unmasked`"
            errors.append(field.invalid(path.child("procMount"), proc, text))
    errors += _profile_errors(security, path)
    if escalation is False:
        if security.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(field.invalid(path, security, text))
        if "CAP_SYS_ADMIN" in ((security.get("capabilities") or {}).get("add") or ()):
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errors.append(field.invalid(path, security, text))
    return errors


def id_errors(security: Obj, name: str, path: Path) -> list[FieldError]:
    """Check the number of a user or group."""
    number = security.get(name)
    if number is None or 0 <= number <= _MAX_ID:
        return []
    return [field.invalid(path.child(name), number, _ID_RANGE)]


def _profile_errors(security: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if (profile := security.get("seccompProfile")) is not None:
        errors += _seccomp_errors(profile, path.child("seccompProfile"))
    if (options := security.get("windowsOptions")) is not None:
        errors += windows_options_errors(options, path.child("windowsOptions"))
    if (profile := security.get("appArmorProfile")) is not None:
        errors += _apparmor_errors(profile, path.child("appArmorProfile"))
    return errors


def _seccomp_errors(profile: Obj, path: Path) -> list[FieldError]:
    kind, local, at = profile.get("type", ""), profile.get("localhostProfile"), path.child("localhostProfile")
    errors: list[FieldError] = []
    if not kind:
        errors.append(field.required(path.child("type"), "type is required when seccompProfile is set"))
    elif kind not in _PROFILES:
        errors.append(field.not_supported(path.child("type"), kind, _PROFILES))
    if kind == "Localhost":
        if local is None:
            return [*errors, field.required(at, "must be set when seccomp type is Localhost")]
        return errors + descending_path_errors(local, at)
    if local is not None:
        errors.append(field.invalid(at, local, "can only be set when seccomp type is Localhost"))
    return errors


def _apparmor_errors(profile: Obj, path: Path) -> list[FieldError]:
    kind, local, at = profile.get("type", ""), profile.get("localhostProfile"), path.child("localhostProfile")
    if not kind:
        return [field.required(path.child("type"), "type is required when appArmorProfile is set")]
    if kind not in _PROFILES:
        return [field.not_supported(path.child("type"), kind, _PROFILES)]
    if kind != "Localhost":
        text = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [field.invalid(at, local, text)]
    if not local:
        return [field.required(at, "must be set when AppArmor type is Localhost")]
    if local != local.strip():
        return [field.invalid(at, local, "must not be padded with whitespace")]
    return [] if len(local) <= _PROFILE_MAX else [field.too_long(at, _PROFILE_MAX)]


def pod_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the security context of a pod; `path` is that of the spec."""
    security = spec.get("securityContext") or {}
    at = path.child("securityContext")
    errors: list[FieldError] = []
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        errors += id_errors(security, name, at)
    for number, group in enumerate(security.get("supplementalGroups") or ()):
        if not 0 <= group <= _MAX_ID:
            errors.append(field.invalid(at.child("supplementalGroups").index(number), group, _ID_RANGE))
    if sysctls := security.get("sysctls"):
        errors += _sysctl_errors(sysctls, spec, at.child("sysctls"))
    for name, allowed in _CHOICES:
        if (value := security.get(name)) is not None and value not in allowed:
            errors.append(field.not_supported(at.child(name), value, allowed))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(field.invalid(path.child("shareProcessNamespace"), True, text))
    return errors + _profile_errors(security, at)


def _sysctl_errors(sysctls: list[Obj], spec: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, sysctl in enumerate(sysctls):
        at, name = path.index(number), sysctl.get("name", "")
        plain = name.replace("/", ".")
        if not name:
            errors.append(field.required(at.child("name")))
        elif len(name) > _SYSCTL_MAX or not _SYSCTL(name):
            errors.append(field.invalid(at.child("name"), name, _SYSCTL_TEXT))
        elif plain in seen:
            errors.append(field.duplicate(at.child("name"), name))
        elif spec.get("hostNetwork") and plain.startswith("net."):
            errors.append(
                field.invalid(at.child("name"), name, "may not be specified when 'hostNetwork' is true")
            )
        elif spec.get("hostIPC") and plain.startswith(
            ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
        ):
            errors.append(
                field.invalid(at.child("name"), name, "may not be specified when 'hostIPC' is true")
            )
        seen.add(plain)
    return errors
