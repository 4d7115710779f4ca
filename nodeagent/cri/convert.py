"""From a pod to the messages of the runtime: sandbox and container configurations. PURE.

Called by the pod worker. Labels and annotations are upstream's, so that tools (and a restarted agent)
recognise what belongs to which pod. Source: pkg/kubelet/kuberuntime kuberuntime_sandbox.go,
kuberuntime_container_linux.go (1.36).
"""

from dataclasses import dataclass

from api.resource import Obj
from nodeagent.hosts import DNSConfig
from nodeagent.pod import order
from nodeagent.pod.hash import spec_hash
from nodeagent.resources import PERIOD_US, Limits
from proto.gen.cri import runtime_v1_pb2 as cri

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"
# Ours: what sort of container it is (init, sidecar, app, ephemeral); the hollow runtime goes by it.
KIND = "pelamis.dev/container-kind"
DEFAULT_MESSAGE_PATH = "/dev/termination-log"

# Source: pkg/securitycontext/util.go defaultMaskedPaths, defaultReadonlyPaths.
MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_PROPAGATION = {
    "None": cri.PROPAGATION_PRIVATE,
    "HostToContainer": cri.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": cri.PROPAGATION_BIDIRECTIONAL,
}
_PROTOCOLS = {"TCP": cri.TCP, "UDP": cri.UDP, "SCTP": cri.SCTP}


@dataclass(frozen=True)
class BindMount:
    """One mount of a container. `propagation` is upstream's None, HostToContainer or Bidirectional."""

    host_path: str
    container_path: str
    readonly: bool = False
    propagation: str = "None"
    recursive_readonly: bool = False


@dataclass(frozen=True)
class SandboxSettings:
    """What a sandbox needs beyond the pod object."""

    attempt: int
    hostname: str
    log_directory: str
    cgroup_parent: str
    dns: DNSConfig | None = None


@dataclass(frozen=True)
class ContainerSettings:
    """What a container needs beyond its spec."""

    attempt: int
    image_ref: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    mounts: tuple[BindMount, ...]
    limits: Limits
    # cgroup v2 files to set; also makes the kernel kill the container as a whole when out of memory.
    unified: tuple[tuple[str, str], ...] = ()
    # For an ephemeral container: the container whose processes it shall see.
    target_id: str = ""


def log_folder(root: str, pod: Obj) -> str:
    """Return the folder of a pod's logs: `<root>/<namespace>_<name>_<uid>`."""
    metadata = pod["metadata"]
    return f"{root.rstrip('/')}/{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"


def pod_labels(pod: Obj) -> dict[str, str]:
    metadata = pod["metadata"]
    return {
        POD_NAME: metadata["name"],
        POD_NAMESPACE: metadata["namespace"],
        POD_UID: metadata["uid"],
    }


def sandbox_config(pod: Obj, settings: SandboxSettings) -> cri.PodSandboxConfig:
    """Return the configuration of a pod's sandbox."""
    metadata, spec = pod["metadata"], pod["spec"]
    config = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(
            name=metadata["name"],
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            attempt=settings.attempt,
        ),
        hostname="" if spec.get("hostNetwork") else settings.hostname,
        log_directory=settings.log_directory,
        labels={**(metadata.get("labels") or {}), **pod_labels(pod)},
        annotations=metadata.get("annotations") or {},
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=settings.cgroup_parent, security_context=_sandbox_security(pod)
        ),
    )
    if settings.dns is not None:
        config.dns_config.servers.extend(settings.dns.servers)
        config.dns_config.searches.extend(settings.dns.searches)
        config.dns_config.options.extend(settings.dns.options)
    if not spec.get("hostNetwork"):
        config.port_mappings.extend(_port_mappings(pod))
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or ():
        config.linux.sysctls[sysctl["name"]] = str(sysctl["value"])
    return config


def _port_mappings(pod: Obj) -> list[cri.PortMapping]:
    containers = [*order.sidecars(pod), *order.app_containers(pod)]
    return [
        cri.PortMapping(
            protocol=_PROTOCOLS.get(port.get("protocol", "TCP"), cri.TCP),
            container_port=port["containerPort"],
            host_port=port.get("hostPort", 0),
            host_ip=port.get("hostIP", ""),
        )
        for container in containers
        for port in container.get("ports") or ()
    ]


def _namespaces(pod: Obj, target_id: str = "") -> cri.NamespaceOption:
    spec = pod["spec"]
    if target_id:
        pid = cri.TARGET
    elif spec.get("hostPID"):
        pid = cri.NODE
    else:
        pid = cri.POD if spec.get("shareProcessNamespace") else cri.CONTAINER
    return cri.NamespaceOption(
        network=cri.NODE if spec.get("hostNetwork") else cri.POD,
        ipc=cri.NODE if spec.get("hostIPC") else cri.POD,
        pid=pid,
        target_id=target_id,
    )


def _sandbox_security(pod: Obj) -> cri.LinuxSandboxSecurityContext:
    security = pod["spec"].get("securityContext") or {}
    context = cri.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(pod),
        privileged=any(is_privileged(container) for container in order.all_containers(pod)),
        seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
        supplemental_groups=_groups(security),
    )
    if security.get("runAsUser") is not None:
        context.run_as_user.value = security["runAsUser"]
        if security.get("runAsGroup") is not None:
            context.run_as_group.value = security["runAsGroup"]
    return context


def _groups(security: Obj) -> list[int]:
    groups = list(security.get("supplementalGroups") or ())
    if security.get("fsGroup") is not None:
        groups.append(security["fsGroup"])
    return groups


def is_privileged(container: Obj) -> bool:
    return bool((container.get("securityContext") or {}).get("privileged"))


def effective(pod: Obj, container: Obj, key: str) -> object:
    """Return a security setting: the container's, else the pod's, else None."""
    own = (container.get("securityContext") or {}).get(key)
    return own if own is not None else (pod["spec"].get("securityContext") or {}).get(key)


def container_config(pod: Obj, container: Obj, settings: ContainerSettings) -> cri.ContainerConfig:
    """Return the configuration of a container."""
    name = container["name"]
    limits = settings.limits
    resources = cri.LinuxContainerResources(
        cpu_period=PERIOD_US,
        cpu_quota=limits.quota_us,
        cpu_shares=limits.shares,
        memory_limit_in_bytes=limits.memory_bytes,
        oom_score_adj=limits.oom_score_adj,
        unified=dict(settings.unified),
        hugepage_limits=[cri.HugepageLimit(page_size=size, limit=limit) for size, limit in limits.hugepages],
    )
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name, attempt=settings.attempt),
        image=cri.ImageSpec(image=settings.image_ref, user_specified_image=container.get("image", "")),
        command=settings.command,
        args=settings.args,
        working_dir=container.get("workingDir", ""),
        envs=[cri.KeyValue(key=key, value=text) for key, text in settings.env],
        mounts=[_mount(mount) for mount in settings.mounts],
        labels={**pod_labels(pod), CONTAINER_NAME: name},
        annotations=_annotations(pod, container, settings.attempt),
        log_path=f"{name}/{settings.attempt}.log",
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        linux=cri.LinuxContainerConfig(
            resources=resources, security_context=_container_security(pod, container, settings.target_id)
        ),
    )


def _annotations(pod: Obj, container: Obj, attempt: int) -> dict[str, str]:
    return {
        HASH: spec_hash(container),
        RESTART_COUNT: str(attempt),
        MESSAGE_PATH: container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH,
        MESSAGE_POLICY: container.get("terminationMessagePolicy") or "File",
        GRACE_PERIOD: str(pod["spec"].get("terminationGracePeriodSeconds", order.DEFAULT_GRACE_S)),
        KIND: order.kind_of(pod, container["name"]),
    }


def _mount(mount: BindMount) -> cri.Mount:
    return cri.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.readonly,
        propagation=_PROPAGATION.get(mount.propagation, cri.PROPAGATION_PRIVATE),
        recursive_read_only=mount.recursive_readonly,
    )


def _container_security(pod: Obj, container: Obj, target_id: str) -> cri.LinuxContainerSecurityContext:
    own = container.get("securityContext") or {}
    pod_wide = pod["spec"].get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    context = cri.LinuxContainerSecurityContext(
        privileged=bool(own.get("privileged")),
        namespace_options=_namespaces(pod, target_id),
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        supplemental_groups=_groups(pod_wide),
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        capabilities=cri.Capability(
            add_capabilities=capabilities.get("add") or (), drop_capabilities=capabilities.get("drop") or ()
        ),
        seccomp=_seccomp(effective(pod, container, "seccompProfile")),
    )
    if pod_wide.get("supplementalGroupsPolicy") == "Strict":
        context.supplemental_groups_policy = cri.Strict
    if not own.get("privileged") and own.get("procMount") != "Unmasked":
        context.masked_paths.extend(MASKED_PATHS)
        context.readonly_paths.extend(READONLY_PATHS)
    user, group = effective(pod, container, "runAsUser"), effective(pod, container, "runAsGroup")
    if isinstance(user, int):
        context.run_as_user.value = user
    if isinstance(group, int):
        context.run_as_group.value = group
    return context


def _seccomp(profile: object) -> cri.SecurityProfile:
    kind = profile.get("type") if isinstance(profile, dict) else None
    if kind == "RuntimeDefault":
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    if kind == "Localhost" and isinstance(profile, dict):
        path = f"/var/lib/kubelet/seccomp/{profile.get('localhostProfile', '')}"
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=path)
    return cri.SecurityProfile(profile_type=cri.SecurityProfile.Unconfined)


def linux_resources(limits: Limits) -> cri.LinuxContainerResources:
    """Return the resources of an in-place change; what is unlimited is said so explicitly."""
    return cri.LinuxContainerResources(
        cpu_period=PERIOD_US,
        cpu_quota=limits.quota_us or -1,
        cpu_shares=limits.shares,
        memory_limit_in_bytes=limits.memory_bytes or -1,
    )
