"""Removes what is left of a pod on this node: its cgroup and its logs. Called by the pod worker."""

import asyncio
import shutil
from pathlib import Path

from api.resource import Obj
from nodeagent.cri import convert
from nodeagent.pod.edges import Edges
from nodeagent.resources import cgroup_paths


def remove_cgroup(edges: Edges, pod: Obj) -> bool:
    """Remove the pod's cgroup, whatever its QoS class; False if a process is still in it."""
    if edges.cgroups is None:
        return True
    paths = cgroup_paths(pod["metadata"]["uid"], edges.settings.cgroup_root)
    left = [path for path in paths if not edges.cgroups.remove(path)]
    return not left


async def remove_log(path: str) -> None:
    """Remove the log of one attempt of a container."""
    if path:
        await asyncio.to_thread(Path(path).unlink, missing_ok=True)


async def remove_logs(edges: Edges, pod: Obj) -> None:
    """Remove the pod's log folder, in a thread: logs may be long."""
    if edges.settings.virtual and not edges.settings.log_dir.exists():
        return
    folder = convert.log_folder(str(edges.settings.log_dir), pod)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
