"""What a hollow runtime holds, and its form on disk: it survives the process, as real containers do."""

import base64
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network
from typing import Any

import orjson

from proto.gen.cri import runtime_v1_pb2 as cri


@dataclass(slots=True)
class Sandbox:
    """`packed` is its `PodSandboxConfig` in bytes: a message takes several times as much."""

    id: str
    packed: bytes
    created_at: int
    ready: bool = True
    ip: str = ""
    handler: str = ""

    @property
    def config(self) -> cri.PodSandboxConfig:
        """A copy of the configuration."""
        return cri.PodSandboxConfig.FromString(self.packed)


@dataclass(slots=True)
class Container:
    """Times are in nanoseconds, 0 for not yet. `exit_at` is when the script ends it, 0 for never."""

    id: str
    sandbox_id: str
    # Its `ContainerConfig`, without what says how to isolate a process.
    packed: bytes
    created_at: int
    state: cri.ContainerState = cri.CONTAINER_CREATED
    started_at: int = 0
    finished_at: int = 0
    exit_at: int = 0
    exit_code: int = 0
    reason: str = ""

    @property
    def config(self) -> cri.ContainerConfig:
        """A copy of the configuration."""
        return cri.ContainerConfig.FromString(self.packed)


def packed_container(config: cri.ContainerConfig) -> bytes:
    """Return what is kept of a container's configuration."""
    kept = cri.ContainerConfig()
    kept.CopyFrom(config)
    kept.linux.ClearField("security_context")
    return kept.SerializeToString()


@dataclass(slots=True)
class State:
    """All sandboxes and containers of one hollow node, in order of creation."""

    pod_cidr: str = ""
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    # The address given out last, as a number within the range: the search goes on after it.
    last: int = 1

    def free_ip(self) -> str:
        """Return an unused address of the node's CIDR, in turn. Raises `LookupError`."""
        if not self.pod_cidr:
            raise LookupError("cni plugin not initialized: the node has no pod CIDR")
        used = {sandbox.ip for sandbox in self.sandboxes.values() if sandbox.ready}
        network = _network(self.pod_cidr)
        # The first address is the network's, the second the gateway's, the last one everybody's.
        usable = network.num_addresses - 3
        for step in range(usable):
            number = 2 + (self.last - 1 + step) % usable
            address = str(network[number])
            if address not in used:
                self.last = number
                return address
        raise LookupError(f"no addresses left in {self.pod_cidr}")


@lru_cache(maxsize=4096)
def _network(cidr: str) -> IPv4Network:
    return IPv4Network(cidr)


def dumps(state: State) -> bytes:
    """Return the state as JSON."""
    return orjson.dumps(
        {
            "podCIDR": state.pod_cidr,
            "sandboxes": [_fields(one) for one in state.sandboxes.values()],
            "containers": [_fields(one) for one in state.containers.values()],
        }
    )


def loads(data: bytes) -> State:
    """Return the state of `dumps`. Raises `ValueError`, `KeyError` or `TypeError` if it is none."""
    body = orjson.loads(data)
    state = State(body["podCIDR"])
    for one in body["sandboxes"]:
        state.sandboxes[one["id"]] = Sandbox(packed=base64.b64decode(one.pop("config")), **one)
    for one in body["containers"]:
        state.containers[one["id"]] = Container(packed=base64.b64decode(one.pop("config")), **one)
    return state


def _fields(one: Sandbox | Container) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in one.__dataclass_fields__}
    fields["config"] = base64.b64encode(fields.pop("packed")).decode()
    return fields
