"""Where pods come from: the API server (pods bound to this node) and a folder of static manifests.

Static pods: files of `--pod-manifest-path`, named `<name>-<node>`, with a hash for a uid; each is shown in
the API by a mirror pod that carries `kubernetes.io/config.mirror`. Source:
pkg/kubelet/config/{apiserver,file,common}.go (1.36).
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import yaml

from api.errors import StatusError
from api.podspec import MIRROR, is_mirror
from api.resource import Obj
from api.types.core_v1 import PODS
from client.api import Client
from client.transport import Unreachable
from kit import clock, log

CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_SOURCE = "kubernetes.io/config.source"
STATIC_POLL_S = 2.0
_log = log.get("nodeagent.sources")


class Feed(Protocol):
    """Tells of every change of some objects: an informer, or one node's share of one. None stands for
    absent.
    """

    def subscribe(self, function: Callable[[Any, Any], None]) -> None: ...

    async def synced(self) -> None: ...


class Pods(Protocol):
    """Takes the pods of this node (`PodManager`)."""

    def upsert(self, pod: Obj) -> None: ...

    def remove(self, uid: str, last: Obj | None = None) -> None: ...


def follow_api(pods: Feed, manager: Pods) -> None:
    """Hand every change of this node's pods to the manager. Mirror pods are not run again."""

    def changed(old: Any, new: Any) -> None:
        pod = new if new is not None else old
        if is_mirror(pod):
            return
        if new is None:
            manager.remove(old["metadata"]["uid"], old)
        else:
            manager.upsert(new)

    pods.subscribe(changed)


def static_pod(text: str, path: Path, node: str) -> Obj:
    """Return the pod of a manifest as it runs on this node. Raises `ValueError`."""
    try:
        pod = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(pod, dict) or pod.get("kind") != "Pod" or not (pod.get("metadata") or {}).get("name"):
        raise ValueError(f"{path}: not a Pod")
    digest = hashlib.md5(f"{path}\0{node}\0{text}".encode(), usedforsecurity=False).hexdigest()
    metadata = dict(pod["metadata"])
    annotations = {**(metadata.get("annotations") or {}), CONFIG_HASH: digest, CONFIG_SOURCE: "file"}
    metadata.update(
        name=f"{metadata['name']}-{node}",
        namespace=metadata.get("namespace") or "default",
        uid=digest,
        annotations=annotations,
    )
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, **pod["spec"], "nodeName": node}
    return {**pod, "metadata": metadata, "spec": spec}


def mirror_of(pod: Obj, node_uid: str) -> Obj:
    """Return the object that shows a static pod in the API; the node owns it, and it goes with the node."""
    metadata = {key: value for key, value in pod["metadata"].items() if key != "uid"}
    owner = {"apiVersion": "v1", "kind": "Node", "name": pod["spec"]["nodeName"], "uid": node_uid}
    metadata["ownerReferences"] = [{**owner, "controller": True}]
    metadata["annotations"] = {**metadata["annotations"], MIRROR: pod["metadata"]["uid"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


class StaticPods:
    """Runs the pods of a folder and keeps their mirrors."""

    def __init__(
        self, folder: Path, node: str, manager: Pods, client: Client | None, node_uid: str = ""
    ) -> None:
        self._folder, self._node, self._manager, self._client = folder, node, manager, client
        self._node_uid = node_uid
        self._running: dict[str, Obj] = {}

    async def run(self) -> None:
        while True:
            await self.sync()
            await clock.sleep(STATIC_POLL_S)

    async def sync(self) -> None:
        """Bring the running static pods in line with the folder."""
        wanted = await asyncio.to_thread(self._read)
        for uid in [uid for uid in self._running if uid not in wanted]:
            pod = self._running.pop(uid)
            self._manager.remove(uid)
            await self._delete_mirror(pod)
        for uid, pod in wanted.items():
            if uid not in self._running:
                self._running[uid] = pod
                self._manager.upsert(pod)
                await self._create_mirror(pod)

    def _read(self) -> dict[str, Obj]:
        pods: dict[str, Obj] = {}
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            if path.name.startswith(".") or path.suffix not in (".yaml", ".yml", ".json"):
                continue
            try:
                pod = static_pod(path.read_text(), path, self._node)
            except (OSError, ValueError) as error:
                _log.warning("static pod not read", path=str(path), error=str(error))
                continue
            pods[pod["metadata"]["uid"]] = pod
        return pods

    async def _create_mirror(self, pod: Obj) -> None:
        if self._client is None:
            return
        try:
            await self._client.create(PODS, mirror_of(pod, self._node_uid), pod["metadata"]["namespace"])
        except (StatusError, Unreachable) as error:
            _log.info("mirror pod not created", pod=pod["metadata"]["name"], error=str(error))

    async def _delete_mirror(self, pod: Obj) -> None:
        if self._client is None:
            return
        metadata = pod["metadata"]
        try:
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], grace_period_s=0)
        except (StatusError, Unreachable) as error:
            _log.info("mirror pod not deleted", pod=metadata["name"], error=str(error))
