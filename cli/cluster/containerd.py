"""containerd for one node of a local cluster: its configuration (pure) and loading images into it (edge)."""

from pathlib import Path

from cli.cluster.layout import Layout, Node
from cli.cluster.supervisor import run_program
from cli.images.base import PAUSE
from kit import clock, files

CNI_PLUGIN_DIRS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"))
_CAP_SYS_RESOURCE = 24


class ImportFailed(Exception):
    """containerd refused an image archive; the message is its own."""


def compute_config(node: Node, plugin_dir: Path, may_lower_oom_score: bool) -> str:
    """Return the TOML configuration (version 2, which containerd 1.4 to 2.x read).

    Without CAP_SYS_RESOURCE a process may not lower an OOM score: `restrict_oom_score_adj` then keeps
    containerd from trying, since otherwise no sandbox starts.
    """
    return f"""version = 2
root = "{node.dir}/containerd/root"
state = "{node.dir}/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing"]

[grpc]
  address = "{node.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = {"false" if may_lower_oom_score else "true"}
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugin_dir}"
  conf_dir = "{node.dir}/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def prepare(node: Node) -> None:
    """Write the node's containerd configuration and make the folders that it names."""
    for folder in ("cni/net.d", "cni/data", "agent", "logs"):
        (node.dir / folder).mkdir(parents=True, exist_ok=True)
    plugin_dir = next((path for path in CNI_PLUGIN_DIRS if (path / "bridge").exists()), CNI_PLUGIN_DIRS[0])
    config = compute_config(node, plugin_dir, _may_lower_oom_score())
    files.write_atomic(node.dir / "containerd.toml", config)


def _may_lower_oom_score() -> bool:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff")
    )
    return bool(int(line.split()[1], 16) & (1 << _CAP_SYS_RESOURCE))


def wait_for_socket(node: Node, seconds: float = 20.0) -> None:
    """Block until containerd of the node listens. Raises `ImportFailed`."""
    deadline = clock.monotonic() + seconds
    while not node.containerd_socket.is_socket():
        if clock.monotonic() > deadline:
            raise ImportFailed(f"containerd of {node.name} does not answer on {node.containerd_socket}")
        clock.block(0.02)


def _ctr(node: Node) -> list[str]:
    return ["ctr", "--address", str(node.containerd_socket), "--namespace", "k8s.io"]


def load_image(node: Node, archive: Path) -> list[str]:
    """Import an OCI or docker archive into the node; return the names it brought. Raises `ImportFailed`."""
    wait_for_socket(node)
    ctr = [*_ctr(node), "--connect-timeout", "3s"]
    for attempt in range(20):
        done = run_program([*ctr, "images", "import", "--digests", str(archive)])
        if done.returncode == 0:
            return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("unpacking ")]
        if "connection" not in done.stderr or attempt == 19 or not node.containerd_socket.exists():
            break
        clock.block(0.1)
    raise ImportFailed(done.stderr.strip() or done.stdout.strip())


def has_image(node: Node, name: str) -> bool:
    return name in run_program([*_ctr(node), "images", "list", "--quiet", f"name=={name}"]).stdout


def load_base_images(layout: Layout, archive: Path) -> None:
    """Give every node the base images that it does not have yet."""
    for node in layout.nodes():
        wait_for_socket(node)
        if not has_image(node, PAUSE):
            load_image(node, archive)
