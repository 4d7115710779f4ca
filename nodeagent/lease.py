"""The node's heartbeat: a Lease in `kube-node-lease`, renewed four times within its duration.

Source: k8s.io/component-helpers/apimachinery/lease controller.go (1.36).
"""

from datetime import datetime
from typing import Any

from api.coordination.heartbeat import NODE_LEASES
from api.errors import AlreadyExists, Conflict, NotFound, StatusError
from api.resource import Obj
from api.times import format_micro
from api.types.coordination_v1 import LEASES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log

RENEWALS_PER_DURATION = 4
RETRY_S = 0.5
_log = log.get("nodeagent.lease")


def new_lease(node: str, node_uid: str, duration_s: float, now: datetime, holder: str = "") -> Obj:
    """Return the lease of a node (held by itself unless `holder` says otherwise); it is collected with the
    Node.
    """
    metadata: Obj = {"name": node, "namespace": NODE_LEASES}
    if node_uid:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid},
        ]
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": holder or node,
            "leaseDurationSeconds": max(1, round(duration_s)),
            "renewTime": format_micro(now),
        },
    }


def renewed(lease: Obj, holder: str, duration_s: float, now: datetime) -> Obj:
    """Return the lease with a new time; what others keep in it stays."""
    spec = {
        **(lease.get("spec") or {}),
        "holderIdentity": holder,
        "leaseDurationSeconds": max(1, round(duration_s)),
        "renewTime": format_micro(now),
    }
    return {**lease, "spec": spec}


class Heartbeat:
    """Renews one lease: of a node, or of a group of nodes under the identity of its `holder`.

    `node_uid` changes when the Node is made anew; without one the lease belongs to nobody.
    """

    def __init__(
        self, client: Client, node: str, duration_s: float, node_uid: str = "", holder: str = ""
    ) -> None:
        self._client = client
        self._node = node
        self._holder = holder or node
        self._duration_s = duration_s
        self.node_uid = node_uid
        self._lease: Obj | None = None

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            began = clock.monotonic()
            done = await self.beat()
            rest = self._duration_s / RENEWALS_PER_DURATION if done else RETRY_S
            await clock.sleep(rest - (clock.monotonic() - began) if done else rest)

    async def beat(self) -> bool:
        """Renew once; False if it must be tried again soon."""
        try:
            if self._lease is None:
                self._lease = await self._find()
            wanted = renewed(self._lease, self._holder, self._duration_s, clock.now())
            answer: Any = await self._client.update(LEASES, wanted, NODE_LEASES)
            self._lease = dict(answer)
        except (NotFound, Conflict, AlreadyExists):
            self._lease = None
            return False
        except (StatusError, Unreachable) as error:
            _log.info("lease not renewed", node=self._node, error=str(error))
            return False
        return True

    async def _find(self) -> Obj:
        try:
            found: Any = await self._client.get(LEASES, self._node, NODE_LEASES)
        except NotFound:
            lease = new_lease(self._node, self.node_uid, self._duration_s, clock.now(), self._holder)
            found = await self._client.create(LEASES, lease, NODE_LEASES)
        return dict(found)
