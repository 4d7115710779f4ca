"""Validation of what depends on the operating system of a pod: Windows' options, and what Windows lacks.

Source: pkg/apis/core/validation validateOS, validateLinux, validateWindows,
validateWindowsSecurityContextOptions, validateWindowsHostProcessPod (1.36).
"""

import re
from collections.abc import Iterator

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj

_SYSTEMS = ("linux", "windows")
_LISTS = ("initContainers", "containers", "ephemeralContainers")
_NOT_LINUX = "windows options cannot be set for a linux pod"
_NOT_WINDOWS = "cannot be set for a windows pod"
_POD_ONLY_LINUX = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_POD_CONTEXT = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls",
    "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_CONTAINER_CONTEXT = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem",
    "privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_SPEC_MAX_KIB, _DOMAIN_MAX, _USER_MAX = 64, 256, 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_DNS_PART = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_PART}(?:\.{_DNS_PART})*").fullmatch
_DOTS = re.compile(r"[. ]+").fullmatch
_ODD_LETTERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search


def os_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the name of the operating system, and that the spec has nothing of the other one."""
    name, at = spec["os"].get("name", ""), path.child("os")
    if not name:
        return [field.required(at.child("name"), "cannot be empty")]
    if name not in _SYSTEMS:
        return [field.not_supported(at, name, _SYSTEMS)]
    return _linux_errors(spec, path) if name == "linux" else _windows_errors(spec, path)


def _contexts(spec: Obj, path: Path) -> Iterator[tuple[Obj, Path]]:
    """Yield the security contexts of all containers, and their paths."""
    for name in _LISTS:
        for number, container in enumerate(spec.get(name) or ()):
            yield (
                container.get("securityContext") or {},
                path.child(name).index(number).child("securityContext"),
            )


def _linux_errors(spec: Obj, path: Path) -> list[FieldError]:
    own = (spec.get("securityContext") or {}, path.child("securityContext"))
    return [
        field.forbidden(at.child("windowsOptions"), _NOT_LINUX)
        for context, at in (own, *_contexts(spec, path))
        if context.get("windowsOptions") is not None
    ]


def _windows_errors(spec: Obj, path: Path) -> list[FieldError]:
    context, at = spec.get("securityContext") or {}, path.child("securityContext")
    errors = [field.forbidden(at.child(name), _NOT_WINDOWS) for name in _POD_CONTEXT if name in context]
    # Only the first and the last can be set to false: the others are no pointers in Go.
    errors += [
        field.forbidden(path.child(name), _NOT_WINDOWS)
        for name in _POD_ONLY_LINUX
        if spec.get(name) or (name in spec and name in ("hostUsers", "shareProcessNamespace"))
    ]
    for context, at in _contexts(spec, path):
        errors += [
            field.forbidden(at.child(name), _NOT_WINDOWS) for name in _CONTAINER_CONTEXT if name in context
        ]
    return errors


def windows_options_errors(options: Obj, path: Path) -> list[FieldError]:
    """Check `windowsOptions` of a pod or container."""
    name, body, user = (
        options.get(key) for key in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName")
    )
    errors: list[FieldError] = []
    if name is not None:
        at = path.child("gmsaCredentialSpecName")
        errors += [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]
    at = path.child("gmsaCredentialSpec")
    if body == "":
        errors.append(field.invalid(at, body, "gmsaCredentialSpec cannot be an empty string"))
    elif body is not None and len(body.encode()) > _SPEC_MAX_KIB * 1024:
        errors.append(field.invalid(at, body, f"gmsaCredentialSpec size must be under {_SPEC_MAX_KIB} KiB"))
    if user is not None:
        errors += [field.invalid(path.child("runAsUserName"), user, text) for text in _user_complaints(user)]
    return errors


def _user_complaints(name: str) -> list[str]:
    if not name:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL(name):
        return ["runAsUserName cannot contain control characters"]
    if name.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, slash, user = name.rpartition("\\")
    found = []
    if len(domain) >= _DOMAIN_MAX:
        found.append(f"runAsUserName's Domain length must be under {_DOMAIN_MAX} characters")
    if slash and not (_NETBIOS(domain) or _DNS(domain)):
        found.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("runAsUserName's User cannot be empty")
    elif len(user) > _USER_MAX:
        found.append(f"runAsUserName's User length must not be longer than {_USER_MAX} characters")
    if _DOTS(user):
        found.append("runAsUserName's User cannot contain only periods or spaces")
    if _ODD_LETTERS(user):
        found.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found


def host_process_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check that either all containers of a pod are processes of a Windows host, or none is."""
    own = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    contexts = list(_contexts(spec, path))
    errors: list[FieldError] = []
    count = 0
    for context, at in contexts:
        given = (context.get("windowsOptions") or {}).get("hostProcess")
        if own is not None and given is not None and own != given:
            text = f"pod hostProcess value must be identical if both are specified, was {str(own).lower()}"
            errors.append(field.invalid(at.child("windowsOptions").child("hostProcess"), given, text))
        count += bool(own if given is None else given)
    if count and count != len(contexts):
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(field.invalid(path, "", text))
    if count and not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(field.invalid(path.child("hostNetwork"), False, text))
    return errors
