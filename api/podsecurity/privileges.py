"""Checks of what a container may do on its node: privileges, capabilities, users.

Called by way of `evaluate.py`. Source: k8s.io/pod-security-admission/policy check_privileged.go,
check_windowsHostProcess.go, check_allowPrivilegeEscalation.go, check_capabilities_*.go,
check_runAs*.go (1.36).
"""

from collections.abc import Callable

from api.podsecurity.check import Check, PodView, Violation, named, quoted, setters
from api.resource import Obj

_DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_NON_ROOT = "runAsNonRoot != true"


def privileged(pod: PodView) -> Violation | None:
    names = pod.naming(lambda security: security.get("privileged"))
    if not names:
        return None
    return Violation("privileged", f"{named(names)} must not set securityContext.privileged=true")


def windows_host_process(pod: PodView) -> Violation | None:
    who = setters(_is_host_process(pod.security), pod.naming(_is_host_process))
    if not who:
        return None
    return Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")


def _is_host_process(security: Obj) -> bool:
    return bool((security.get("windowsOptions") or {}).get("hostProcess"))


def allow_privilege_escalation(pod: PodView) -> Violation | None:
    names = pod.naming(lambda security: security.get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    text = f"{named(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", text)


def capabilities_baseline(pod: PodView) -> Violation | None:
    names, found = _adding(pod, lambda name: name in _DEFAULT_CAPABILITIES)
    return Violation("non-default capabilities", _must_not_add(names, found)) if names else None


def capabilities_restricted(pod: PodView) -> Violation | None:
    keeping = pod.naming(lambda security: "ALL" not in _capabilities(security, "drop"))
    names, found = _adding(pod, lambda name: name == "NET_BIND_SERVICE")
    details = []
    if keeping:
        details.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if names:
        details.append(_must_not_add(names, found))
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def _capabilities(security: Obj, what: str) -> list[str]:
    return (security.get("capabilities") or {}).get(what) or []


def _adding(pod: PodView, allowed: Callable[[str], bool]) -> tuple[list[str], set[str]]:
    """Return the containers that add other capabilities than those allowed, and these capabilities."""
    names, found = [], set()
    for name, _, security in pod.containers:
        bad = {item for item in _capabilities(security, "add") if not allowed(item)}
        if bad:
            names.append(name)
            found |= bad
    return names, found


def _must_not_add(names: list[str], found: set[str]) -> str:
    return f"{named(names)} must not include {quoted(sorted(found))} in securityContext.capabilities.add"


def run_as_non_root(pod: PodView) -> Violation | None:
    whole = pod.security.get("runAsNonRoot")
    who = setters(whole is False, pod.naming(lambda security: security.get("runAsNonRoot") is False))
    if who:
        return Violation(_NON_ROOT, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [] if whole else pod.naming(lambda security: security.get("runAsNonRoot") is None)
    if silent:
        return Violation(_NON_ROOT, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")
    return None


def run_as_user(pod: PodView) -> Violation | None:
    who = setters(_is_root(pod.security), pod.naming(_is_root))
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def _is_root(security: Obj) -> bool:
    return security.get("runAsUser") == 0


def unless_windows(check: Check) -> Check:
    """Return the check for Linux alone: Windows pods may not even set the field."""
    return lambda pod: None if pod.is_windows else check(pod)


def unless_user_namespace(check: Check) -> Check:
    """Return the check for pods whose root is the host's root (KEP-127)."""
    return lambda pod: None if pod.has_user_namespace else check(pod)
