"""gRPC connections to the members of an etcd cluster, and the methods that the store calls on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from kit import clock
from proto.gen.etcd import rpc_pb2_grpc

# How often several members are asked whether one is connected.
POLL_S = 0.01

# The generated stubs carry no types.
stubs: Any = rpc_pb2_grpc

OPTIONS = (
    # The server limits requests; answers may hold many large objects.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A dead peer is noticed in 15 s even when nothing is sent. etcd refuses more than one ping in 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted server is found again quickly.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
    ("grpc.optimization_target", "latency"),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class ClientTLS:
    """PEM files: the CA that signed the servers' certificates, and our own certificate and key, if any."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what gRPC needs. Raises `OSError` when a file cannot be read."""
        key = self.key.read_bytes() if self.key else None
        cert = self.cert.read_bytes() if self.cert else None
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), key, cert)


class Member:
    """One connection. Stubs only: calling them is `store.etcd`'s."""

    def __init__(self, target: str, tls: ClientTLS | None) -> None:
        self.target = target
        if tls is None:
            self.channel = grpc.aio.insecure_channel(target, OPTIONS)
        else:
            self.channel = grpc.aio.secure_channel(target, tls.credentials(), OPTIONS)
        self.kv = stubs.KVStub(self.channel)
        self.watch = stubs.WatchStub(self.channel)
        self.lease = stubs.LeaseStub(self.channel)
        self.maintenance = stubs.MaintenanceStub(self.channel)

    @property
    def is_ready(self) -> bool:
        return self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY


class Channels:
    """The members of a cluster; `pick` stays with one for as long as it is connected and not `avoid`ed."""

    def __init__(self, targets: Sequence[str], tls: ClientTLS | None) -> None:
        self.members = [Member(target, tls) for target in targets]
        self._current = 0

    @property
    def only(self) -> Member | None:
        """The member, if there is but one: then there is nothing to pick."""
        return self.members[0] if len(self.members) == 1 else None

    async def pick(self, wait_s: float) -> Member:
        """Return the member to call now; with several, a connected one if there is any within `wait_s`."""
        deadline = clock.monotonic() + wait_s
        while len(self.members) > 1:
            for index in range(self._current, self._current + len(self.members)):
                if self.members[index % len(self.members)].is_ready:
                    self._current = index % len(self.members)
                    return self.members[self._current]
            if clock.monotonic() > deadline:
                break
            await clock.sleep(POLL_S)
        return self.members[self._current]

    def avoid(self, member: Member) -> None:
        """Turn to the next member if `member` is the current one: it does not answer as it should."""
        if self.members[self._current] is member:
            self._current = (self._current + 1) % len(self.members)

    async def close(self) -> None:
        for member in self.members:
            await member.channel.close(None)
