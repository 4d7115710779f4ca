"""Routes to the pods of other nodes: each node's pod CIDR by way of that node's address."""

import asyncio
import ipaddress
import subprocess
from collections.abc import Iterable, Mapping

from api.types.core_v1 import Node

# Our mark on routes, so that nobody else's is ever removed (`ip route show proto 88`).
PROTOCOL = 88


def compute_routes(nodes: Iterable[Node], own_name: str) -> dict[str, str]:
    """Return pod CIDR -> address of its node, for every node but this one. IPv4."""
    routes: dict[str, str] = {}
    for node in nodes:
        if node["metadata"]["name"] == own_name:
            continue
        address = internal_address(node)
        spec = node.get("spec", {})
        for cidr in spec.get("podCIDRs") or [spec.get("podCIDR", "")]:
            if cidr and address and ":" not in cidr:
                routes[cidr] = address
    return routes


def internal_address(node: Node) -> str:
    addresses = node.get("status", {}).get("addresses") or []
    return next(
        (a["address"] for a in addresses if a["type"] == "InternalIP" and ":" not in a["address"]), ""
    )


def route_commands(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return lines for `ip -batch` that turn one table into the other."""
    gone = [f"route del {cidr} proto {PROTOCOL}" for cidr in before if cidr not in after]
    come = [
        f"route replace {cidr} via {via} proto {PROTOCOL}"
        for cidr, via in after.items()
        if before.get(cidr) != via
    ]
    return gone + come


async def apply(commands: list[str]) -> str:
    """Run `ip -batch`; return what it complained of, "" if nothing. It goes on after a line that fails."""
    return await asyncio.to_thread(_apply, "\n".join(commands))


def _apply(text: str) -> str:
    done = subprocess.run(
        ["ip", "-force", "-batch", "-"], input=text, text=True, capture_output=True, check=False
    )
    return done.stderr.strip()


def parse_routes(shown: str, cluster_cidr: str) -> dict[str, str]:
    """Return destination -> gateway of the routes in `ip route show` that lie within `cluster_cidr`.

    Others are another cluster's on the same machine.
    """
    cluster = ipaddress.ip_network(cluster_cidr)
    found: dict[str, str] = {}
    for words in (line.split() for line in shown.splitlines()):
        if len(words) > 2 and words[1] == "via":
            destination = ipaddress.ip_network(words[0], strict=False)
            if destination.version == cluster.version and destination.subnet_of(cluster):  # type: ignore[arg-type]
                found[words[0]] = words[2]
    return found


def read_routes(cluster_cidr: str) -> dict[str, str]:
    """Return the routes of ours that are in force: a proxy that starts anew takes them over."""
    command = ["ip", "-4", "route", "show", "proto", str(PROTOCOL)]
    shown = subprocess.run(command, text=True, capture_output=True, check=False).stdout
    return parse_routes(shown, cluster_cidr)
