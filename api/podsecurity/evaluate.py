"""The checks of each level and version, and a pod's violations of them.

A check that changed has several versions: each counts from its minor version to the next one's. A restricted
check stands in for the baseline checks that it includes, so that nothing is told twice. Called by the
PodSecurity admission plugin. Source: k8s.io/pod-security-admission/policy/registry.go (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from api.podsecurity.check import Check, Violation, view_of
from api.podsecurity.confinement import (
    SELINUX_1_0,
    SELINUX_1_31,
    SYSCTLS_1_0,
    SYSCTLS_1_27,
    SYSCTLS_1_29,
    SYSCTLS_1_32,
    apparmor,
    proc_mount,
    restricted_volumes,
    seccomp_annotations,
    seccomp_baseline,
    seccomp_restricted,
    selinux,
    sysctls,
)
from api.podsecurity.host import host_namespaces, host_path_volumes, host_ports, host_probes
from api.podsecurity.level import BASELINE, PRIVILEGED, Standard
from api.podsecurity.privileges import (
    allow_privilege_escalation,
    capabilities_baseline,
    capabilities_restricted,
    privileged,
    run_as_non_root,
    run_as_user,
    unless_user_namespace,
    unless_windows,
    windows_host_process,
)
from api.resource import Obj


@dataclass(frozen=True)
class Versions:
    """A check through time: (first minor version, check), oldest first; and what it stands in for."""

    name: str
    checks: tuple[tuple[int, Check], ...]
    instead_of: str = ""

    def at(self, minor: int) -> Check | None:
        """Return the check as of a version; None before the first."""
        return next((check for first, check in reversed(self.checks) if first <= minor), None)


# In the order of upstream's names, which is the order of messages.
_BASELINE = (
    Versions("appArmorProfile", ((0, apparmor),)),
    Versions("capabilities_baseline", ((0, capabilities_baseline),)),
    Versions("hostNamespaces", ((0, host_namespaces),)),
    Versions("hostPathVolumes", ((0, host_path_volumes),)),
    Versions("hostPorts", ((0, host_ports),)),
    Versions("hostProbesAndHostLifecycle", ((34, host_probes),)),
    Versions("privileged", ((0, privileged),)),
    Versions("procMount", ((0, proc_mount), (35, unless_user_namespace(proc_mount)))),
    Versions("seLinuxOptions", ((0, selinux(SELINUX_1_0)), (31, selinux(SELINUX_1_31)))),
    Versions("seccompProfile_baseline", ((0, seccomp_annotations), (19, seccomp_baseline))),
    Versions(
        "sysctls",
        (
            (0, sysctls(SYSCTLS_1_0)),
            (27, sysctls(SYSCTLS_1_27)),
            (29, sysctls(SYSCTLS_1_29)),
            (32, sysctls(SYSCTLS_1_32)),
        ),
    ),
    Versions("windowsHostProcess", ((0, windows_host_process),)),
)
_RESTRICTED = (
    Versions(
        "allowPrivilegeEscalation",
        ((8, allow_privilege_escalation), (25, unless_windows(allow_privilege_escalation))),
    ),
    Versions(
        "capabilities_restricted",
        ((22, capabilities_restricted), (25, unless_windows(capabilities_restricted))),
        "capabilities_baseline",
    ),
    Versions("procMount_restricted", ((35, proc_mount),), "procMount"),
    Versions("restrictedVolumes", ((0, restricted_volumes),), "hostPathVolumes"),
    Versions("runAsNonRoot", ((0, run_as_non_root), (35, unless_user_namespace(run_as_non_root)))),
    Versions("runAsUser", ((23, run_as_user), (35, unless_user_namespace(run_as_user)))),
    Versions(
        "seccompProfile_restricted",
        ((19, seccomp_restricted), (25, unless_windows(seccomp_restricted))),
        "seccompProfile_baseline",
    ),
)
# Later versions, and the latest, have the checks of this one.
_NEWEST = max(item.checks[-1][0] for item in (*_BASELINE, *_RESTRICTED))


def checks_of(standard: Standard) -> tuple[Check, ...]:
    """Return the checks of a level at a version, in the order of their messages."""
    minor = _NEWEST if standard.minor is None else min(standard.minor, _NEWEST)
    return _checks(standard.level, minor)


@cache
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    if level == PRIVILEGED:
        return ()
    strict = () if level == BASELINE else tuple(item for item in _RESTRICTED if item.at(minor))
    covered = {item.instead_of for item in strict}
    wanted = (*(item for item in _BASELINE if item.name not in covered), *strict)
    return tuple(check for item in wanted if (check := item.at(minor)) is not None)


def violations(standard: Standard, pod: Obj) -> list[Violation]:
    """Return what a pod (or pod template) violates."""
    checks = checks_of(standard)
    if not checks:
        return []
    view = view_of(pod)
    return [found for check in checks if (found := check(view)) is not None]


def details(found: Sequence[Violation]) -> str:
    """Return the violations of one pod: `privileged (container "a" must not ...), ...`."""
    return ", ".join(map(str, found))


def reasons(found: Sequence[Violation]) -> str:
    """Return the violations without details: `privileged, host namespaces`."""
    return ", ".join(violation.reason for violation in found)
