"""What a hollow runtime holds, and its form on disk: it survives the process, as real containers do."""

import base64
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

import orjson

from proto.gen.cri import runtime_v1_pb2 as cri


@dataclass
class Sandbox:
    id: str
    config: cri.PodSandboxConfig
    created_at: int
    ready: bool = True
    ip: str = ""
    handler: str = ""


@dataclass
class Container:
    """Times are in nanoseconds, 0 for not yet. `exit_at` is when the script ends it, 0 for never."""

    id: str
    sandbox_id: str
    config: cri.ContainerConfig
    created_at: int
    state: cri.ContainerState = cri.CONTAINER_CREATED
    started_at: int = 0
    finished_at: int = 0
    exit_at: int = 0
    exit_code: int = 0
    reason: str = ""


@dataclass
class State:
    """All sandboxes and containers of one hollow node, in order of creation."""

    pod_cidr: str = ""
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)

    def free_ip(self) -> str:
        """Return an unused address of the node's CIDR. Raises `LookupError`."""
        if not self.pod_cidr:
            raise LookupError("cni plugin not initialized: the node has no pod CIDR")
        used = {sandbox.ip for sandbox in self.sandboxes.values() if sandbox.ready}
        hosts = iter(IPv4Network(self.pod_cidr).hosts())
        next(hosts, None)  # the gateway's
        for host in hosts:
            if str(host) not in used:
                return str(host)
        raise LookupError(f"no addresses left in {self.pod_cidr}")


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
        config = cri.PodSandboxConfig.FromString(base64.b64decode(one.pop("config")))
        state.sandboxes[one["id"]] = Sandbox(config=config, **one)
    for one in body["containers"]:
        made = cri.ContainerConfig.FromString(base64.b64decode(one.pop("config")))
        state.containers[one["id"]] = Container(config=made, **one)
    return state


def _fields(one: Sandbox | Container) -> dict[str, Any]:
    fields = dict(vars(one))
    fields["config"] = base64.b64encode(one.config.SerializeToString()).decode()
    return fields
