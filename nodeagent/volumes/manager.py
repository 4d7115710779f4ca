"""Owns the volumes of all pods of this node. Called by the pod worker.

    mount_pod(pod)      at every sync: sets up what is missing, rewrites files whose sources changed
    pod_changed(pod)    when its object changed: labels and annotations may stand in files
    mounts_for(...)     when a container is created: volumes to mounts, with sub-paths
    unmount_pod(uid)    when the pod's containers are gone
    clean_orphans(uids) once after a start: what an earlier agent left behind

Between syncs, a changed ConfigMap or Secret, or a token due for renewal, rewrites the pod's files by itself.

    <root>/pods/<uid>/volumes/<plugin folder>/<volume>
    <root>/pods/<uid>/volume-subpaths/<volume>/<container>/<index of the mount>
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from api.errors import StatusError
from api.resource import Obj
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from client.api import Client
from client.transport import Unreachable
from kit import clock, log
from kit.tasks import Tasks
from nodeagent.pod.downward import Facts
from nodeagent.pod.env import ConfigError, expand_strictly
from nodeagent.pod.references import References, facts_of
from nodeagent.volumes import setup, subpath
from nodeagent.volumes.plugin import Layout, View, VolumeError
from nodeagent.volumes.plugins.catalog import plugin_of
from nodeagent.volumes.plugins.persistent import claim_name
from nodeagent.volumes.plugins.projected import token_specs
from nodeagent.volumes.reconcile import RemovePod, SetUp, TearDown, VolumeKey, compute_actions
from nodeagent.volumes.tokens import TokenCache

_log = log.get("nodeagent.volumes")
_READ_ONLY = ("configMap", "secret", "downwardAPI", "projected")


@dataclass(frozen=True)
class Mount:
    """One bind mount of a container. `propagation` is upstream's None, HostToContainer or Bidirectional."""

    name: str
    host_path: str
    container_path: str
    readonly: bool = False
    propagation: str = "None"
    recursive_readonly: bool = False


@dataclass
class _PodVolumes:
    pod: Obj
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # What has been performed, by volume name.
    layouts: dict[str, Layout] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    # The persistent volumes behind the claims, once bound.
    bound: dict[str, Obj] = field(default_factory=dict)
    renew: asyncio.Task[None] | None = None


class VolumeManager:
    """`facts` says what the agent knows of a pod beyond its object (by default, what its status tells)."""

    def __init__(
        self,
        root: Path,
        client: Client,
        references: References,
        tasks: Tasks,
        facts: Callable[[Obj], Facts] = facts_of,
    ) -> None:
        self._root = root / "pods"
        self._client = client
        self._references = references
        self._tasks = tasks
        self._facts = facts
        self._tokens = TokenCache(client)
        self._pods: dict[str, _PodVolumes] = {}
        self._dirty: set[str] = set()
        references.subscribe(self._wake)

    async def mount_pod(self, pod: Obj) -> dict[str, Path]:
        """Set up all volumes of the pod; return where each is, by name. Idempotent.

        Raises `VolumeError` for the first that fails, after trying all.
        """
        uid = pod["metadata"]["uid"]
        held = self._pods.setdefault(uid, _PodVolumes(pod))
        held.pod = pod
        async with held.lock:
            await self._mount(held)
        return dict(held.paths)

    def pod_changed(self, pod: Obj) -> None:
        """Take over a newer object of a mounted pod: its labels and annotations may stand in files."""
        held = self._pods.get(pod["metadata"]["uid"])
        if held is None or held.pod is pod:
            return
        before, held.pod = held.pod, pod
        if _visible(before) != _visible(pod):
            self._wake(pod["metadata"]["uid"])

    def mounts_for(
        self, pod: Obj, container: Obj, env: Mapping[str, str] | Iterable[tuple[str, str]]
    ) -> list[Mount]:
        """Return the container's mounts; the pod's volumes are set up. Makes the mounts of sub-paths.

        Raises `ConfigError`.
        """
        held = self._pods.get(pod["metadata"]["uid"])
        variables = dict(env)
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
        mounts: list[Mount] = []
        for index, wanted in enumerate(container.get("volumeMounts") or ()):
            name = wanted["name"]
            if held is None or name not in held.paths:
                raise ConfigError(f'mount cannot be satisfied for volume "{name}": not mounted')
            path = self._resolve(held, container["name"], index, wanted, variables)
            readonly = bool(wanted.get("readOnly")) or any(key in volumes[name] for key in _READ_ONLY)
            mounts.append(
                Mount(
                    name,
                    str(path),
                    _absolute(wanted["mountPath"]),
                    readonly,
                    wanted.get("mountPropagation") or "None",
                    readonly and wanted.get("recursiveReadOnly") == "Enabled",
                )
            )
        return mounts

    async def unmount_pod(self, uid: str) -> None:
        """Take down all volumes of the pod. Idempotent. Raises `VolumeError`."""
        held = self._pods.pop(uid, None)
        self._references.release(uid)
        self._tokens.forget(uid)
        if held is not None and held.renew is not None:
            held.renew.cancel()
        for folder in ("volume-subpaths", "volumes"):
            await self._remove(self._root / uid / folder)

    async def remove_pod(self, uid: str) -> None:
        """`unmount_pod`, then delete everything else kept for the pod. Raises `VolumeError`."""
        await self.unmount_pod(uid)
        await self._remove(self._root / uid)

    async def clean_orphans(self, known: Set[str]) -> None:
        """Remove what is left of pods that are not `known` (uids): once, when all running pods are known."""
        actual = await asyncio.to_thread(self._scan)
        for action in compute_actions({uid: actual.get(uid, frozenset()) for uid in known}, actual):
            match action:
                case RemovePod(uid) if uid in self._pods:
                    # A pod that came after `known` was noted.
                    pass
                case RemovePod(uid):
                    await self._clean(self.remove_pod(uid), uid)
                case TearDown(volume):
                    await self._clean(self._remove(self._directory(volume)), volume.pod_uid)
                case SetUp():
                    pass

    async def _clean(self, removal: Awaitable[None], uid: str) -> None:
        try:
            await removal
            _log.info("removed orphaned volumes", pod_uid=uid)
        except VolumeError as error:
            _log.warning("cannot remove orphaned volumes", pod_uid=uid, error=error.message)

    def _scan(self) -> dict[str, frozenset[VolumeKey]]:
        found: dict[str, frozenset[VolumeKey]] = {}
        for pod in self._root.glob("*"):
            volumes = pod.glob("volumes/*/*")
            found[pod.name] = frozenset(VolumeKey(pod.name, path.parent.name, path.name) for path in volumes)
        return found

    async def _mount(self, held: _PodVolumes) -> None:
        pod = held.pod
        volumes = pod["spec"].get("volumes") or []
        if not volumes:
            return
        first: VolumeError | None = None
        try:
            configmaps, secrets = await self._references.objects(pod)
        except ConfigError as error:
            raise VolumeError(error.message) from error
        view = View(pod, configmaps, secrets, {}, held.bound, self._facts(pod))
        renewals: list[datetime] = []
        for volume in volumes:
            try:
                await self._set_up(held, volume, view, renewals)
            except VolumeError as error:
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error.message}'
                first = first or VolumeError(text, error.retryable)
        if renewals:
            self._renew_at(held, min(renewals))
        if first is not None:
            raise first

    async def _set_up(self, held: _PodVolumes, volume: Obj, view: View, renewals: list[datetime]) -> None:
        name, plugin = volume["name"], plugin_of(volume)
        if claim_name(volume, view.pod["metadata"]["name"]) and name not in held.bound:
            held.bound[name] = await self._bound_volume(view.pod, volume)
        tokens = dict(view.tokens)
        for spec in token_specs(volume):
            token = await self._tokens.get(view.pod, spec)
            tokens[spec] = token.text
            renewals.append(token.renew_at)
        layout = plugin.layout(
            volume, View(view.pod, view.configmaps, view.secrets, tokens, held.bound, view.facts)
        )
        if held.layouts.get(name) == layout:
            return
        directory = self._directory(VolumeKey(view.pod["metadata"]["uid"], plugin.folder, name))
        group = (view.pod["spec"].get("securityContext") or {}).get("fsGroup")
        path = await asyncio.to_thread(setup.perform, layout, directory, group)
        held.layouts[name], held.paths[name] = layout, path

    async def _bound_volume(self, pod: Obj, volume: Obj) -> Obj:
        metadata = pod["metadata"]
        name = claim_name(volume, metadata["name"])
        try:
            claim = await self._client.get(PERSISTENTVOLUMECLAIMS, name, metadata["namespace"])
            bound_to = (claim.get("spec") or {}).get("volumeName")
            if not bound_to or (claim.get("status") or {}).get("phase") != "Bound":
                raise VolumeError("PVC is not bound")
            return dict(await self._client.get(PERSISTENTVOLUMES, bound_to))
        except (StatusError, Unreachable) as error:
            raise VolumeError(f"error processing PVC {metadata['namespace']}/{name}: {error}") from error

    def _resolve(
        self, held: _PodVolumes, container: str, index: int, wanted: Obj, env: Mapping[str, str]
    ) -> Path:
        path = held.paths[wanted["name"]]
        inner = wanted.get("subPath") or ""
        if expression := wanted.get("subPathExpr"):
            inner = expand_strictly(expression, env)
        if not inner:
            return path
        uid = held.pod["metadata"]["uid"]
        target: Path = self._root / uid / "volume-subpaths" / wanted["name"] / container / str(index)
        try:
            subpath.check(inner)
            subpath.bind(path, inner, target)
        except subpath.SubPathError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            _log.warning("cannot mount a sub-path", path=str(path), subpath=inner, error=str(error))
            raise ConfigError(
                f'failed to create subPath directory for volumeMount "{wanted["name"]}" '
                f'of container "{container}"'
            ) from error
        return target

    def _directory(self, volume: VolumeKey) -> Path:
        return self._root / volume.pod_uid / "volumes" / volume.folder / volume.name

    async def _remove(self, directory: Path) -> None:
        try:
            await asyncio.to_thread(setup.remove, directory)
        except OSError as error:
            raise VolumeError(f"cannot unmount: {error}") from error

    def _wake(self, uid: str) -> None:
        """Rewrite the pod's files soon; changes that come meanwhile are taken along."""
        held = self._pods.get(uid)
        if held is None or uid in self._dirty or not held.layouts:
            return
        self._dirty.add(uid)
        self._tasks.spawn(self._rewrite(uid, held), f"rewrite volumes {uid}")

    async def _rewrite(self, uid: str, held: _PodVolumes) -> None:
        async with held.lock:
            self._dirty.discard(uid)
            if self._pods.get(uid) is not held:
                return
            try:
                await self._mount(held)
            except VolumeError as error:
                _log.warning("cannot rewrite volumes", pod_uid=uid, error=error.message)

    def _renew_at(self, held: _PodVolumes, when: datetime) -> None:
        if held.renew is not None:
            held.renew.cancel()
        uid = held.pod["metadata"]["uid"]
        held.renew = self._tasks.spawn(self._renew(uid, when), f"renew tokens {uid}")

    async def _renew(self, uid: str, when: datetime) -> None:
        await clock.sleep((when - clock.now()).total_seconds())
        held = self._pods.get(uid)
        if held is not None:
            held.renew = None
        self._wake(uid)


def _visible(pod: Obj) -> tuple[object, ...]:
    """Return what of the pod its own files may show, besides what never changes."""
    metadata = pod["metadata"]
    return metadata.get("labels"), metadata.get("annotations"), metadata.get("generation")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else "/" + path
