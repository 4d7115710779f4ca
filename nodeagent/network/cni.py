"""The pod network of one node as CNI configuration: bridge, addresses from the node's pod CIDR, host ports.

The runtime reads the file and calls the plugins; `nodeagent.app` writes it when the node's pod CIDR is known
or changes.
Source: CNI specification 1.0.0 (network configuration lists), plugins bridge, host-local, portmap.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kit import files

FILE = "10-pelamis.conflist"
# 1.0.0 is what containerd 1.6 and later, and every plugin release since 2021, understand.
CNI_VERSION = "1.0.0"


@dataclass(frozen=True)
class NetworkSettings:
    """`conf_dir` is where the runtime looks; `data_dir` keeps which address is given to which pod."""

    conf_dir: Path
    data_dir: Path
    cluster_cidr: str = ""
    bridge: str = "cni0"
    mtu: int = 0


def compute_conflist(settings: NetworkSettings, pod_cidr: str) -> dict[str, Any]:
    """Return the network configuration list for one node.

    The bridge plugin must not masquerade: it knows only this node's pods and would hide them from those of
    other nodes. The service proxy does, with the whole cluster in view.
    """
    bridge: dict[str, Any] = {
        "type": "bridge",
        "bridge": settings.bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(settings.data_dir),
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if settings.mtu:
        bridge["mtu"] = settings.mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": CNI_VERSION, "name": "pelamis", "plugins": [bridge, portmap]}


def write_conflist(settings: NetworkSettings, pod_cidr: str) -> bool:
    """Put the configuration in force; return whether it differed from what was there."""
    path = settings.conf_dir / FILE
    text = orjson.dumps(compute_conflist(settings, pod_cidr), option=orjson.OPT_INDENT_2)
    if path.exists() and path.read_bytes() == text:
        return False
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, text)
    return True
