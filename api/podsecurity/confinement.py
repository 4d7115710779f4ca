"""Checks of what confines a container: seccomp, AppArmor and SELinux profiles, /proc masks, sysctls, volumes.

Called by way of `evaluate.py`. Source: k8s.io/pod-security-admission/policy check_seccompProfile_*.go,
check_appArmorProfile.go, check_seLinuxOptions.go, check_procMount_*.go, check_sysctls.go,
check_restrictedVolumes.go (1.36).
"""

from collections.abc import Collection

from api.podsecurity.check import Check, PodView, Violation, named, plural, quoted, setters
from api.resource import Obj

_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"
_GOOD_PROFILES = ("RuntimeDefault", "Localhost")

SELINUX_1_0 = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
SELINUX_1_31 = SELINUX_1_0 | {"container_engine_t"}
SYSCTLS_1_0 = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range", "net.ipv4.tcp_syncookies",
    }
)  # fmt: skip
SYSCTLS_1_27 = SYSCTLS_1_0 | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_1_29 = SYSCTLS_1_27 | {
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
}  # fmt: skip
SYSCTLS_1_32 = SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}

_GOOD_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
        "projected", "secret",
    }
)  # fmt: skip
# In the order in which upstream looks; a volume with none of them is "unknown".
_BAD_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
    "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
    "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip


def seccomp_annotations(pod: PodView) -> Violation | None:
    """Check the annotations that said the profile before 1.19."""
    keys = (_SECCOMP_POD, *(f"{_SECCOMP_CONTAINER}{name}" for name, _, _ in pod.containers))
    given = {key: pod.annotations[key] for key in keys if key in pod.annotations}
    bad = sorted(f'{key}="{value}"' for key, value in given.items() if not _is_good_seccomp(value))
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}")


def _is_good_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp_baseline(pod: PodView) -> Violation | None:
    who, values = _bad_profiles(pod, "seccompProfile")
    if not who:
        return None
    text = f"{who} must not set securityContext.seccompProfile.type to {quoted(values)}"
    return Violation("seccompProfile", text)


def seccomp_restricted(pod: PodView) -> Violation | None:
    """Check that besides nothing bad something good is set, by the pod or by each container."""
    if bad := seccomp_baseline(pod):
        return bad
    if pod.security.get("seccompProfile") is not None:
        return None
    silent = pod.naming(lambda security: security.get("seccompProfile") is None)
    if not silent:
        return None
    text = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {named(silent)} {text}")


def _bad_profiles(pod: PodView, kind: str) -> tuple[str, list[str]]:
    """Return who sets a profile of a bad type, and these types in order."""
    values: set[str] = set()

    def is_bad(security: Obj) -> bool:
        profile = security.get(kind)
        if profile is None or (value := profile.get("type", "")) in _GOOD_PROFILES:
            return False
        values.add(value)
        return True

    return setters(is_bad(pod.security), pod.naming(is_bad)), sorted(values)


def apparmor(pod: PodView) -> Violation | None:
    who, values = _bad_profiles(pod, "appArmorProfile")
    notes = sorted(
        f'{key}="{value}"'
        for key, value in pod.annotations.items()
        if key.startswith(_APPARMOR_CONTAINER) and not _is_good_apparmor(value)
    )
    if notes:
        who = " and ".join([*([who] if who else []), plural("annotation", len(notes))])
        values = [*values, *notes]
    if not who:
        return None
    reason = plural("forbidden AppArmor profile", len(values))
    return Violation(reason, f"{who} must not set AppArmor profile type to {quoted(values)}")


def _is_good_apparmor(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")


def selinux(types: Collection[str]) -> Check:
    """Return the check that lets these SELinux types alone, and no user or role, be set."""

    def check(pod: PodView) -> Violation | None:
        given = [(security.get("seLinuxOptions") or {}) for _, _, security in pod.containers]
        whole = pod.security.get("seLinuxOptions") or {}
        names = [item[0] for item, options in zip(pod.containers, given, strict=True) if is_bad(options)]
        who = setters(is_bad(whole), names)
        if not who:
            return None
        everything = [whole, *given]
        bad = sorted({options.get("type") or "" for options in everything} - set(types))
        data = [f"{plural('type', len(bad))} {quoted(bad)}"] if bad else []
        data += [
            f"{part} may not be set"
            for part in ("user", "role")
            if any(options.get(part) for options in everything)
        ]
        text = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
        return Violation("seLinuxOptions", text)

    def is_bad(options: Obj) -> bool:
        return bool((options.get("type") or "") not in types or options.get("user") or options.get("role"))

    return check


def proc_mount(pod: PodView) -> Violation | None:
    values = {security.get("procMount") or "Default" for _, _, security in pod.containers} - {"Default"}
    if not values:
        return None
    names = pod.naming(lambda security: security.get("procMount") in values)
    text = f"{named(names)} must not set securityContext.procMount to {quoted(sorted(values))}"
    return Violation("procMount", text)


def sysctls(allowed: Collection[str]) -> Check:
    """Return the check that lets these sysctls alone be set."""

    def check(pod: PodView) -> Violation | None:
        given = [item["name"] for item in pod.security.get("sysctls") or ()]
        bad = [name for name in given if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def restricted_volumes(pod: PodView) -> Violation | None:
    bad = [item for item in pod.spec.get("volumes") or () if not _GOOD_VOLUMES & item.keys()]
    if not bad:
        return None
    kinds = sorted({next((kind for kind in _BAD_VOLUMES if kind in item), "unknown") for item in bad})
    names = f"{plural('volume', len(bad))} {quoted(item['name'] for item in bad)}"
    word = plural("restricted volume type", len(kinds))
    uses = plural("uses", len(bad), "use")
    return Violation("restricted volume types", f"{names} {uses} {word} {quoted(kinds)}")
