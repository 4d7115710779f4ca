"""The machine's side of a local cluster: bridge, network namespaces, cgroups, mounts. Edge; every call may
be repeated.

Each node is a network namespace with one veth pair on the cluster's bridge. Nodes are entered by their
network namespace alone (`nsenter --net`): `ip netns exec` would also make a private mount namespace, in
which mounts of the agent are invisible to containerd.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
from pathlib import Path

import orjson

from cli.cluster.layout import Layout, Node
from kit import clock

_CLONE_NEWNET = 0x40000000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class HostError(Exception):
    """The machine refused something; the message says what and what to do."""


def enter_netns(name: str) -> None:
    """Move the calling process into network namespace `name`. Raises `HostError`."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            raise HostError(f"cannot enter network namespace {name}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(fd)


def set_up(layout: Layout) -> None:
    """Make the bridge and the namespaces of all nodes. Raises `HostError`."""
    if not Path(f"/sys/class/net/{layout.bridge}").exists():
        _ip([f"link add {layout.bridge} type bridge", f"addr add {layout.gateway}/24 dev {layout.bridge}"])
    # The machine itself uses services too: packets need some route before rules can redirect them.
    service_route = f"route replace {layout.service_cidr} dev {layout.bridge} src {layout.gateway}"
    _ip([f"link set {layout.bridge} up", service_route])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _masquerade(layout)
    for node in layout.nodes():
        _add_node(layout, node)


def _add_node(layout: Layout, node: Node) -> None:
    """Make a node's namespace; an interrupted making starts anew, a node that was cut off rejoins."""
    namespace = Path(f"/run/netns/{node.netns}")
    if namespace.exists():
        if _is_complete(node):
            rejoin(node)
            return
        _ip([f"netns del {node.netns}"])
    if Path(f"/sys/class/net/{node.link}").exists():
        _ip([f"link del {node.link}"])
    _ip(
        [
            f"netns add {node.netns}",
            f"link add {node.link} type veth peer name eth0 netns {node.netns}",
            f"link set {node.link} master {layout.bridge} up",
        ]
    )
    inside = [
        "link set lo up",
        f"addr add {node.address}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {layout.gateway}",
    ]
    _ip(inside, netns=node.netns)
    _run(["nsenter", f"--net=/run/netns/{node.netns}", "sysctl", "-qw", "net.ipv4.ip_forward=1"])


def _is_complete(node: Node) -> bool:
    """Tell whether the namespace has what `_add_node` gives it: forwarding, its last step, included."""
    show = ["nsenter", f"--net=/run/netns/{node.netns}", "cat", "/proc/sys/net/ipv4/ip_forward"]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "1" and Path(f"/sys/class/net/{node.link}").exists()


def _masquerade(layout: Layout) -> None:
    """Let nodes reach the world outside under the machine's own address."""
    table = f"pelamis-host-{layout.settings.index}"
    rules = f"""table ip {table}
delete table ip {table}
table ip {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {layout.node_network} oifname != "{layout.bridge}" masquerade
  }}
}}
"""
    _run(["nft", "-f", "-"], rules)


def cut(node: Node) -> None:
    """Take the node off the network, as a pulled cable does."""
    _ip([f"link set {node.link} down"])


def rejoin(node: Node) -> None:
    _ip([f"link set {node.link} up"])


def tear_down(layout: Layout) -> None:
    """Remove namespaces, links, tables and cgroups of the cluster; what is gone already is no error."""
    for node in layout.nodes():
        if Path(f"/run/netns/{node.netns}").exists():
            _ip([f"netns del {node.netns}"])
    if Path(f"/sys/class/net/{layout.bridge}").exists():
        _ip([f"link del {layout.bridge}"])
    for table in (f"pelamis-host-{layout.settings.index}", f"pelamis-{layout.settings.index}"):
        subprocess.run(["nft", "delete", "table", "ip", table], capture_output=True, check=False)
    remove_cgroups(layout.cgroup_root)


def kill_containers(cgroup: str, nodes: list[Node]) -> None:
    """Kill all processes in the cgroup tree and the shims of the nodes; drop the pods' network namespaces.

    Nobody tells the CNI plugins: the pods' links go with their namespaces, and the agent returns their
    addresses when it finds the dead sandboxes.
    """
    namespaces = _pod_namespaces(nodes)
    _kill(cgroup, {str(node.containerd_socket).encode() for node in nodes})
    for name in namespaces:
        if Path(f"/run/netns/{name}").exists():
            _ip([f"netns del {name}"])


def _pod_namespaces(nodes: list[Node]) -> set[str]:
    """Return the network namespaces of the nodes' running sandboxes, as their OCI bundles name them."""
    found: set[str] = set()
    for node in nodes:
        for path in node.dir.glob("containerd/state/io.containerd.runtime.v2.task/k8s.io/*/config.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                namespaces = orjson.loads(path.read_bytes())["linux"]["namespaces"]
                found |= {
                    Path(n["path"]).name for n in namespaces if n["type"] == "network" and n.get("path")
                }
    return {name for name in found if name.startswith("cni-")}


def _kill(cgroup: str, wanted: set[bytes]) -> None:
    for _ in range(50):
        victims = _cgroup_pids(cgroup) | _shim_pids(wanted)
        if not victims:
            return
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        clock.block(0.05)


def _cgroup_pids(cgroup: str) -> set[int]:
    pids: set[int] = set()
    for base in _cgroup_dirs(cgroup):
        for path in base.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                pids.update(int(line) for line in path.read_text().split())
    return pids - {0, os.getpid()}


def _shim_pids(sockets: set[bytes]) -> set[int]:
    pids: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[0].rsplit(b"/", 1)[-1].startswith(b"containerd-shim") and sockets & set(words):
                pids.add(int(path.parent.name))
    return pids


def remove_cgroups(cgroup: str) -> None:
    for base in _cgroup_dirs(cgroup):
        for folder in sorted((p for p in base.rglob("*") if p.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            base.rmdir()


def _cgroup_dirs(cgroup: str) -> list[Path]:
    root = Path("/sys/fs/cgroup")
    found = [root / cgroup.lstrip("/")] + [
        base / cgroup.lstrip("/") for base in root.iterdir() if base.is_dir()
    ]
    return [path for path in found if path.is_dir() and path not in (root,)]


def unmount_below(folder: Path) -> None:
    """Detach every mount below `folder`, deepest first."""
    prefix = f"{folder}/"
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for target in sorted((m for m in mounts if m.startswith(prefix)), reverse=True):
        _libc.umount2(target.encode(), _MNT_DETACH)


def _ip(commands: list[str], netns: str = "") -> None:
    where = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    _run([*where, "ip", "-batch", "-"], "\n".join(commands))


def _run(command: list[str], text: str = "") -> None:
    try:
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed; deploy/quickstart.sh --install-only installs it"
        ) from error
    except subprocess.CalledProcessError as error:
        raise HostError(f"{' '.join(command)}: {error.stderr.strip() or error}") from error
