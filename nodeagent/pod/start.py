"""Makes sandboxes and containers: gathers what a configuration needs, then calls the runtime. Called by the
pod worker.

Failures are `StartError` with the reason and message of the container's waiting state, in upstream's words.
Source: pkg/kubelet/kuberuntime startContainer, createPodSandbox (1.36).
"""

from dataclasses import replace
from pathlib import Path

from api.resource import Obj
from nodeagent.cri import convert
from nodeagent.cri.convert import BindMount, ContainerSettings, SandboxSettings
from nodeagent.cri.errors import CRIError
from nodeagent.hosts import HostnameError, dns_config, hosts_file, is_hosts_file_managed, kernel_hostname
from nodeagent.images import ImageError
from nodeagent.pod.downward import Facts
from nodeagent.pod.edges import Edges
from nodeagent.pod.env import ConfigError, container_env, expand
from nodeagent.pod.observed import SandboxObserved
from nodeagent.resources import cgroup_parent, container_limits, pod_cgroup_limits
from proto.gen.cri import runtime_v1_pb2 as cri

CONFIG_RETRY_S = 10.0


class StartError(Exception):
    """A container (or sandbox) could not be made. With `retry_after_s` 0 the crash back-off decides."""

    def __init__(self, reason: str, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry_after_s = reason, message, retry_after_s


def new_sandbox_config(edges: Edges, pod: Obj, attempt: int) -> cri.PodSandboxConfig:
    """Return the configuration of a pod's sandbox. Raises `StartError`."""
    settings = edges.settings
    try:
        hostname = kernel_hostname(pod, settings.dns.cluster_domain)
    except HostnameError as error:
        raise StartError("CreatePodSandboxError", str(error), CONFIG_RETRY_S) from error
    return convert.sandbox_config(
        pod,
        SandboxSettings(
            attempt,
            hostname,
            convert.log_folder(str(settings.log_dir), pod),
            cgroup_parent(pod, settings.cgroup_root),
            dns_config(pod, settings.dns),
        ),
    )


async def start_sandbox(edges: Edges, pod: Obj, attempt: int) -> str:
    """Create and start the pod's sandbox; return its id. Raises `StartError`."""
    config = new_sandbox_config(edges, pod, attempt)
    _make_ready(edges, pod, config)
    try:
        handler = await edges.runtime_handler(pod["spec"].get("runtimeClassName") or "")
        return await edges.runtime.run_pod_sandbox(config, handler)
    except CRIError as error:
        if not error.retryable:
            text = f"Failed to create pod sandbox: {error.rpc_text}"
            edges.report(pod, "Warning", "FailedCreatePodSandBox", text)
        raise StartError("CreatePodSandboxError", error.rpc_text) from error


def _make_ready(edges: Edges, pod: Obj, config: cri.PodSandboxConfig) -> None:
    """Make the folder and the cgroup that the runtime expects to be there."""
    if edges.settings.virtual:
        return
    Path(config.log_directory).mkdir(parents=True, exist_ok=True)
    if edges.cgroups is not None:
        edges.cgroups.ensure(config.linux.cgroup_parent, pod_cgroup_limits(pod))


async def create_container(
    edges: Edges, pod: Obj, container: Obj, attempt: int, sandbox: SandboxObserved, target_id: str = ""
) -> str:
    """Create a container in the sandbox; return its id. Raises `StartError`."""
    name = container["name"]

    def report(kind: str, reason: str, message: str) -> None:
        edges.report(pod, kind, reason, message, name)

    sandbox_config = new_sandbox_config(edges, pod, sandbox.attempt)
    try:
        image_ref = await edges.images.ensure(pod, container, report, sandbox_config)
        await _check_non_root(edges, pod, container, image_ref)
        settings = await _settings(edges, pod, container, attempt, sandbox, image_ref)
    except ImageError as error:
        raise StartError(error.reason, error.message, error.retry_after_s) from error
    except ConfigError as error:
        report("Warning", "Failed", f"Error: {error.message}")
        raise StartError("CreateContainerConfigError", error.message, CONFIG_RETRY_S) from error
    config = convert.container_config(pod, container, replace(settings, target_id=target_id))
    try:
        container_id = await edges.runtime.create_container(sandbox.id, config, sandbox_config)
    except CRIError as error:
        report("Warning", "Failed", f"Error: {error.message}")
        raise StartError("CreateContainerError", error.message, CONFIG_RETRY_S) from error
    report("Normal", "Created", "Container created")
    return container_id


async def start_container(edges: Edges, pod: Obj, name: str, container_id: str) -> None:
    """Start a created container. Raises `StartError`."""
    try:
        await edges.runtime.start_container(container_id)
    except CRIError as error:
        edges.report(pod, "Warning", "Failed", f"Error: {error.message}", name)
        raise StartError("RunContainerError", error.message) from error
    edges.report(pod, "Normal", "Started", "Container started", name)


async def _check_non_root(edges: Edges, pod: Obj, container: Obj, image_ref: str) -> None:
    """Raise `ConfigError` if the container must not, but would, run as root."""
    if not convert.effective(pod, container, "runAsNonRoot"):
        return
    user = convert.effective(pod, container, "runAsUser")
    whom = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})"'
    where = f"{whom}, container: {container['name']})"
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    image = await edges.runtime.image_status(image_ref)
    if image is None:
        return
    if image.username:
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({image.username}), "
            f"cannot verify user is non-root {where}"
        )
    if not image.HasField("uid") or image.uid.value == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


async def _settings(
    edges: Edges, pod: Obj, container: Obj, attempt: int, sandbox: SandboxObserved, image_ref: str
) -> ContainerSettings:
    settings = edges.settings
    limits = container_limits(pod, container, settings.memory_capacity)
    if settings.virtual:
        return ContainerSettings(attempt, image_ref, (), (), (), (), limits)
    ips = settings.ips if pod["spec"].get("hostNetwork") else sandbox.ips
    sources = await edges.references.env_sources(pod, Facts(ips, settings.ips, edges.allocatable))
    env = container_env(pod, container, sources)
    variables = dict(env)
    mounts = [
        BindMount(one.host_path, one.container_path, one.readonly, one.propagation, one.recursive_readonly)
        for one in edges.volumes.mounts_for(pod, container, env)
    ]
    mounts += _own_mounts(edges, pod, container, attempt, ips)
    return ContainerSettings(
        attempt,
        image_ref,
        tuple(expand(text, variables) for text in container.get("command") or ()),
        tuple(expand(text, variables) for text in container.get("args") or ()),
        tuple(env),
        tuple(mounts),
        limits,
        (("memory.oom.group", "1"),) if settings.is_cgroup_v2 else (),
    )


def _own_mounts(
    edges: Edges, pod: Obj, container: Obj, attempt: int, ips: tuple[str, ...]
) -> list[BindMount]:
    """Return the mounts that the agent adds: the hosts file and the place of the termination message."""
    settings = edges.settings
    folder = settings.pod_dir(pod["metadata"]["uid"])
    messages = folder / "containers" / container["name"]
    messages.mkdir(parents=True, exist_ok=True)
    message_file = messages / f"message-{attempt}"
    message_file.write_text("")
    # Writable by whatever user the container runs as. Source: kubelet makeMounts, termination log 0666.
    message_file.chmod(0o666)
    path = container.get("terminationMessagePath") or convert.DEFAULT_MESSAGE_PATH
    mounts = [BindMount(str(message_file), path)]
    if is_hosts_file_managed(container):
        hosts = folder / "etc-hosts"
        node_hosts = ""
        if pod["spec"].get("hostNetwork") and Path("/etc/hosts").exists():
            node_hosts = Path("/etc/hosts").read_text()
        hosts.write_text(hosts_file(pod, ips, settings.dns.cluster_domain, node_hosts))
        hosts.chmod(0o644)
        mounts.append(BindMount(str(hosts), "/etc/hosts"))
    return mounts
