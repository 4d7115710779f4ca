"""Heartbeats of nodes: their Leases, and those that many nodes of one process renew together. PURE.

    node-17               held by node-17, annotated pelamis.dev/renewed-with: hollow-group-node-1/2f6c...
    hollow-group-node-1   held by 2f6c..., renewed four times within its duration, for all that name it

A node counts as renewed when its own Lease was or its group's, whichever is later. The group must be held by
whom the member names: a process that starts anew is another holder, so nobody is kept alive by a group that
he has not joined. Written by `nodeagent/`, read by the Lease resource of the API server and by the
node-lifecycle controller.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from api.resource import Obj
from api.times import parse_time

NODE_LEASES = "kube-node-lease"
RENEWED_WITH = "pelamis.dev/renewed-with"


class Group(NamedTuple):
    """A Lease that stands for several nodes, and who must hold it."""

    name: str
    holder: str

    def __str__(self) -> str:
        return f"{self.name}/{self.holder}"


def group_of(lease: Mapping[str, Any]) -> Group | None:
    """Return the group with which a node's Lease is renewed, None if it is renewed by itself."""
    metadata = lease["metadata"]
    if metadata.get("namespace") != NODE_LEASES:
        return None
    name, slash, holder = ((metadata.get("annotations") or {}).get(RENEWED_WITH) or "").partition("/")
    return Group(name, holder) if slash and name != metadata.get("name") else None


def renewal(lease: Mapping[str, Any], group: Mapping[str, Any] | None) -> str | None:
    """Return the `renewTime` that counts; `group` is the Lease that `group_of` names, if there is one."""
    own: str | None = (lease.get("spec") or {}).get("renewTime")
    named = group_of(lease)
    if named is None or group is None:
        return own
    spec = group.get("spec") or {}
    shared: str | None = spec.get("renewTime")
    if shared is None or spec.get("holderIdentity") != named.holder:
        return own
    return shared if own is None or _is_later(shared, own) else own


def _is_later(one: str, other: str) -> bool:
    if len(one) == len(other) and one[-1] == other[-1] == "Z":
        return one > other
    return parse_time(one) > parse_time(other)


def shown(lease: Obj, group: Mapping[str, Any] | None) -> Obj:
    """Return the Lease with the `renewTime` that counts."""
    newest = renewal(lease, group)
    spec = lease.get("spec") or {}
    return lease if newest == spec.get("renewTime") else {**lease, "spec": {**spec, "renewTime": newest}}
