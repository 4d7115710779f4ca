"""Removes what is left of a pod on this node: its cgroup and its logs. Called by the pod worker, and by the
agent after its start for pods that ended while there was none.
"""

import asyncio
import shutil
from collections.abc import Iterable, Set
from pathlib import Path

from api.resource import Obj
from kit import log
from nodeagent.cri import convert
from nodeagent.pod.edges import Edges
from nodeagent.resources import cgroup_paths, pod_cgroup_folders

_log = log.get("nodeagent.cleanup")


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


def orphaned_logs(folders: Iterable[str], known: Set[str]) -> list[str]:
    """Return the names of log folders (`<namespace>_<name>_<uid>`) whose pods nobody knows."""
    parted = ((folder, folder.split("_")) for folder in folders)
    return [folder for folder, parts in parted if len(parts) == 3 and parts[2] not in known]


async def remove_orphans(edges: Edges, known: Set[str]) -> None:
    """Remove logs and cgroups of pods other than `known`: an earlier agent was killed before it could.

    Source: kuberuntime evictPodLogsDirectories, kubelet cleanupOrphanedPodCgroups (1.36).
    """
    settings = edges.settings
    if settings.virtual:
        return
    for uid, path in _orphaned_cgroups(edges, known):
        _log.info("removed an orphaned cgroup", pod_uid=uid, gone=edges.cgroups.remove(path))  # type: ignore[union-attr]
    root = settings.log_dir
    names = [folder.name for folder in root.iterdir()] if root.is_dir() else []
    for name in orphaned_logs(names, known):
        _log.info("removed orphaned logs", folder=name)
        await asyncio.to_thread(shutil.rmtree, root / name, ignore_errors=True)


def _orphaned_cgroups(edges: Edges, known: Set[str]) -> list[tuple[str, str]]:
    if edges.cgroups is None:
        return []
    found = {
        (name.removeprefix("pod"), f"{folder}/{name}")
        for folder in pod_cgroup_folders(edges.settings.cgroup_root)
        for name in edges.cgroups.children(folder)
        if name.startswith("pod")
    }
    return sorted((uid, path) for uid, path in found if uid not in known)
