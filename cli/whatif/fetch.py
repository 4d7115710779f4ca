"""Lists what a what-if needs to know of a cluster. It only reads."""

import asyncio
from typing import Any

from api.errors import NotFound
from api.resource import Resource
from api.types.apps_v1 import DAEMONSETS, DEPLOYMENTS
from api.types.core_v1 import LIMITRANGES
from api.types.node_v1 import RUNTIMECLASSES
from api.types.scheduling_v1 import PRIORITYCLASSES
from cli.whatif.live import Live
from client.api import Client
from scheduler.cluster import Cluster
from scheduler.sources import Source, sources

PAGE = 500
# What new pods depend on before they are scheduled.
_MORE: tuple[Resource[Any], ...] = (DEPLOYMENTS, DAEMONSETS, PRIORITYCLASSES, LIMITRANGES, RUNTIMECLASSES)
_AT_ONCE = 4


async def fetch(client: Client) -> Live:
    """Return the objects of a cluster, each resource as it was at one moment of the last seconds.

    Raises `StatusError`, also when something may not be listed, and `Unreachable`.
    """
    cluster = Cluster({})
    cluster.groups.followed = True
    wanted = [*sources(cluster), *(Source(each, lambda old, new, now: None) for each in _MORE)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(source: Source) -> list[Any] | None:
        async with gate:
            return await _list(client, source)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {source.resource: group.create_task(one(source)) for source in wanted}
    except ExceptionGroup as errors:
        # What one of them has met, the others would have met, too.
        raise errors.exceptions[0] from None
    found = {resource: task.result() for resource, task in tasks.items()}
    return Live({resource: objects for resource, objects in found.items() if objects is not None})


async def _list(client: Client, source: Source) -> list[Any] | None:
    """Return all objects; None if the server does not have their kind."""
    found: list[Any] = []
    token = ""
    while True:
        try:
            page = await client.list(
                source.resource,
                field_selector=source.field_selector,
                metadata_only=source.metadata_only,
                limit=PAGE,
                continue_token=token,
            )
        except NotFound:
            return None
        found += page.items
        token = page.continue_token
        if not token:
            return found
