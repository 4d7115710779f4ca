"""Leases under REST: those of nodes that renew theirs together are shown as renewed when their group was.

GET and LIST show it. Watches, the answers to writes, and what patches are applied to are what is stored: the
Lease of a node in a group is written once, so a watch of it is silent; its group's tells.
"""

from typing import Any

import orjson

from api.coordination.heartbeat import RENEWED_WITH, group_of, shown
from api.kinds import KindRules
from api.resource import Obj, Resource
from apiserver.rest.strategy import Find, Strategy

_MARK = RENEWED_WITH.encode()


class LeaseStrategy(Strategy):
    create_on_update = True

    def __init__(self, resource: Resource[Any], kind: KindRules) -> None:
        super().__init__(resource, kind)
        self.shown = show


def show(objects: bytes, find: Find) -> bytes:
    """Return Leases, joined by commas, with the renewals that count; each group is looked up once."""
    if _MARK not in objects:
        return objects
    groups: dict[tuple[str, str], Obj | None] = {}
    made = []
    for lease in orjson.loads(b"[" + objects + b"]"):
        if (group := group_of(lease)) is not None:
            key = (lease["metadata"]["namespace"], group.name)
            if key not in groups:
                groups[key] = find(*key)
            lease = shown(lease, groups[key])
        made.append(orjson.dumps(lease))
    return b",".join(made)
