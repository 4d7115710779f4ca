"""A containerd of the test's own, with the base images, and pods on the host's network (no CNI needed)."""

import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.cluster import containerd
from cli.cluster.layout import Node
from cli.images.base import build_base
from kit import clock
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.observed import ContainerObserved, PodObserved, SandboxObserved, State
from proto.gen.cri import runtime_v1_pb2 as cri

BUSYBOX = "docker.io/library/busybox:1.36"
STOP_ATTEMPTS = 10
# Several runs may go on at a time.
CGROUP = f"/edge-tests-{os.getpid()}"


@contextmanager
def running_containerd():
    """Yield the node of a running containerd; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="edge-", ignore_cleanup_errors=True) as name:
        node = Node("edge", "127.0.0.1", "", "", Path(name))
        containerd.prepare(node)
        with (node.dir / "containerd.log").open("wb") as output:
            process = subprocess.Popen(
                ["containerd", "--config", node.dir / "containerd.toml"], stdout=output, stderr=output
            )
        try:
            archive = node.dir / "base.tar"
            archive.write_bytes(build_base())
            containerd.load_image(node, archive)
            yield node
        finally:
            _end_tasks(node)
            process.terminate()
            process.wait(20)
            _unmount(node.dir)
            _remove_cgroups()


def _end_tasks(node):
    """End what a failed test has left running."""
    ctr = [
        "ctr",
        "--address",
        node.runtime_endpoint.removeprefix("unix://"),
        "--namespace",
        "k8s.io",
        "tasks",
    ]
    left = subprocess.run([*ctr, "ls", "-q"], capture_output=True, text=True, check=False, timeout=10)
    for task in left.stdout.split():
        subprocess.run([*ctr, "rm", "--force", task], capture_output=True, check=False, timeout=10)


def _unmount(folder):
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in points if point.startswith(f"{os.path.realpath(folder)}/")]):
        subprocess.run(["umount", "-l", point], check=False)


def _remove_cgroups():
    for folder in [*Path("/sys/fs/cgroup").glob(f"*{CGROUP}"), Path(f"/sys/fs/cgroup{CGROUP}")]:
        for path, _, _ in os.walk(folder, topdown=False):
            os.rmdir(path)


class HostPod:
    """One pod on the host's network: its object, its sandbox, and what the agent's table says about it."""

    def __init__(self, node, name):
        self.node, self.name = node, name
        self.runtime = Runtime(node.runtime_endpoint)
        self.directory = PodDirectory()
        self.logs = node.dir / "logs" / name
        self.containers = []
        network = cri.NamespaceOption(network=cri.NODE, pid=cri.CONTAINER)
        security = cri.LinuxSandboxSecurityContext(namespace_options=network)
        self.config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, uid=f"uid-{name}", namespace="default"),
            log_directory=str(self.logs),
            linux=cri.LinuxPodSandboxConfig(cgroup_parent=CGROUP, security_context=security),
        )
        self.sandbox = ""

    async def start(self):
        self.logs.mkdir(parents=True, exist_ok=True)
        self.sandbox = await self.runtime.run_pod_sandbox(self.config)
        self.directory.put(
            {
                "metadata": {"name": self.name, "namespace": "default", "uid": f"uid-{self.name}"},
                "spec": {"containers": [{"name": "late"}]},
            }
        )
        self._observe()

    async def run(self, name, script, *, stdin=False, tty=False, mounts=()):
        """Start a container that runs a shell script."""
        network = cri.NamespaceOption(network=cri.NODE, pid=cri.CONTAINER)
        security = cri.LinuxContainerSecurityContext(namespace_options=network)
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name),
            image=cri.ImageSpec(image=BUSYBOX),
            command=["sh", "-c", script],
            log_path=f"{name}.log",
            stdin=stdin,
            tty=tty,
            labels={
                "io.kubernetes.container.name": name,
                "io.kubernetes.pod.name": self.name,
                "io.kubernetes.pod.namespace": "default",
                "io.kubernetes.pod.uid": f"uid-{self.name}",
            },
            mounts=[cri.Mount(host_path=host, container_path=path) for host, path in mounts],
            linux=cri.LinuxContainerConfig(security_context=security),
        )
        container = await self.runtime.create_container(self.sandbox, config, self.config)
        await self.runtime.start_container(container)
        observed = ContainerObserved(container, name, State.RUNNING, log_path=str(self.logs / f"{name}.log"))
        self.containers.insert(0, observed)
        self._observe()
        return container

    def ended(self, container):
        """Say in the table that a container has ended."""
        self.containers = [
            ContainerObserved(c.id, c.name, State.EXITED, log_path=c.log_path) if c.id == container else c
            for c in self.containers
        ]
        self._observe()

    async def stop(self):
        if self.sandbox:
            await self._stop_sandbox()
            await self.runtime.remove_pod_sandbox(self.sandbox)
        await self.runtime.close()

    async def _stop_sandbox(self):
        """Stop it, again and again as the agent does: containerd fails if a container ends just now."""
        for _ in range(STOP_ATTEMPTS):
            with suppress(CRIError):
                return await self.runtime.stop_pod_sandbox(self.sandbox)
            await clock.sleep(0.2)
        return await self.runtime.stop_pod_sandbox(self.sandbox)

    def _observe(self):
        sandbox = SandboxObserved(self.sandbox, ready=True)
        self.directory.observe(f"uid-{self.name}", PodObserved((sandbox,), tuple(self.containers)))
