"""The heartbeat of all hollow nodes of a process in one: one Lease is renewed, those of the nodes name it.

    join --> the node's Lease is made (or taken over), with the name of the group      one write per node
    run  --> the group's Lease is renewed four times within its duration               one write for all
    leave -> the node's Lease is its own again: nobody renews it, and the node is lost in the usual time

Each member's Lease is looked at every few minutes, in turns: somebody may have deleted it. What the
annotation means to readers is said in `api/coordination/heartbeat.py`.
"""

import asyncio
from itertools import islice
from typing import Any

from api.coordination.heartbeat import NODE_LEASES, RENEWED_WITH, Group, group_of
from api.errors import AlreadyExists, Conflict, NotFound, StatusError
from api.resource import Obj
from api.times import format_micro
from api.types.coordination_v1 import LEASES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log, rand
from kit.tasks import Tasks
from nodeagent.lease import RENEWALS_PER_DURATION, RETRY_S, Heartbeat, new_lease

# Each member is looked at so often.
CHECK_S = 300.0
# Leases written at once.
WRITES_AT_ONCE = 16
_log = log.get("nodeagent.hollow.group")


def member_lease(node: str, node_uid: str, duration_s: float, group: Group, now: Any) -> Obj:
    """Return the Lease of a node that is renewed with a group."""
    lease = new_lease(node, node_uid, duration_s, now)
    return {**lease, "metadata": {**lease["metadata"], "annotations": {RENEWED_WITH: str(group)}}}


def is_member(lease: Obj, node_uid: str, group: Group) -> bool:
    """Tell whether a Lease is as `member_lease` made it: it names the group and belongs to the Node."""
    owners = {owner["uid"] for owner in lease["metadata"].get("ownerReferences") or ()}
    return group_of(lease) == group and owners == ({node_uid} if node_uid else set())


class GroupHeartbeat:
    """Owns the Lease of the group and its members'. `join` and `leave` return at once."""

    def __init__(self, client: Client, name: str, duration_s: float) -> None:
        # A new holder at every start: members of an earlier process have not joined this one.
        self.group = Group(name, rand.uid())
        self._client = client
        self._duration_s = duration_s
        self._beat = Heartbeat(client, name, duration_s, holder=self.group.holder)
        # Node name -> uid of its object.
        self._members: dict[str, str] = {}
        # What is to be written; None: the node has left.
        self._pending: dict[str, str | None] = {}
        # Those whose Lease has been written, or was there.
        self._taken: set[str] = set()
        self._wake = asyncio.Event()
        self._checked = 0

    def join(self, node: str, node_uid: str) -> None:
        """Take a node in, or one whose object was made anew."""
        self._members[node] = self._pending[node] = node_uid
        self._wake.set()

    def leave(self, node: str) -> None:
        """Let a node go that is not alive any more."""
        if self._members.pop(node, None) is not None:
            self._pending[node] = None
            self._wake.set()

    def start(self, tasks: Tasks) -> None:
        # Without it all nodes would be lost one after the other.
        tasks.spawn(self._beat.run(), f"heartbeat of {self.group.name}", fatal=True)
        tasks.spawn(self._tend(), f"members of {self.group.name}", fatal=True)

    async def _tend(self) -> None:
        while True:
            batch = list(islice(self._pending.items(), WRITES_AT_ONCE))
            if not batch:
                await self._wait()
                continue
            done = await asyncio.gather(*(self._write(node, uid) for node, uid in batch))
            for one, written in zip(batch, done, strict=True):
                # Meanwhile it may have left, or come back.
                if written and one in self._pending.items():
                    del self._pending[one[0]]
            if not all(done):
                await clock.sleep(RETRY_S)

    async def _wait(self) -> None:
        """Wait until somebody joins or leaves, or until it is the turn of some to be looked at."""
        self._wake.clear()
        try:
            async with asyncio.timeout(self._duration_s / RENEWALS_PER_DURATION):
                await self._wake.wait()
        except TimeoutError:
            self._pending.update(self._next())

    def _next(self) -> list[tuple[str, str]]:
        members = list(self._members.items())
        rounds = max(1.0, CHECK_S * RENEWALS_PER_DURATION / self._duration_s)
        count = -(-len(members) // int(rounds))
        first = self._checked if self._checked < len(members) else 0
        self._checked = first + count
        return members[first : self._checked]

    async def _write(self, node: str, uid: str | None) -> bool:
        """Bring one Lease in line; False if it must be tried again soon."""
        try:
            await (self._take(node, uid) if uid is not None else self._release(node))
        except (AlreadyExists, Conflict, NotFound):
            return False
        except (StatusError, Unreachable) as error:
            _log.info("lease not written", node=node, error=str(error))
            return False
        return True

    async def _take(self, node: str, uid: str) -> None:
        wanted = member_lease(node, uid, self._duration_s, self.group, clock.now())
        if node not in self._taken:
            # As a rule there is none yet; where there is one, it is found next time.
            self._taken.add(node)
            await self._client.create(LEASES, wanted, NODE_LEASES)
            return
        try:
            found: Any = await self._client.get(LEASES, node, NODE_LEASES)
        except NotFound:
            await self._client.create(LEASES, wanted, NODE_LEASES)
            return
        if not is_member(found, uid, self.group):
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            await self._client.update(
                LEASES, {**wanted, "metadata": {**wanted["metadata"], **version}}, NODE_LEASES
            )

    async def _release(self, node: str) -> None:
        body = {
            "metadata": {"annotations": {RENEWED_WITH: None}},
            "spec": {"renewTime": format_micro(clock.now())},
        }
        try:
            await self._client.patch(LEASES, node, NODE_LEASES, body)
        except NotFound:
            return
