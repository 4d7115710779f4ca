"""The ConfigMaps, Secrets and Services that this node's pods refer to, kept up to date by watches.

One watch per referred object (`metadata.name=x`: what the Node authorizer allows), shared by all pods that
refer to it and ended with the last of them. The pod worker asks for `env_sources`; the volume manager holds a
pod's references for as long as the pod is mounted and subscribes to changes.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from api.resource import Obj, Resource
from api.types.core_v1 import CONFIGMAPS, SECRETS, SERVICES
from client.api import Client
from client.informer import Informer
from kit.tasks import Tasks
from nodeagent.pod.downward import Facts
from nodeagent.pod.env import ConfigError, EnvSources

# How long a pod waits for the first list of an object; then it is a configuration error, and tried again.
SYNC_TIMEOUT_S = 3.0


class Ref(NamedTuple):
    """Names one object of the pod's namespace; kind is "configmap" or "secret"."""

    kind: str
    namespace: str
    name: str


_RESOURCES: dict[str, Resource[Any]] = {"configmap": CONFIGMAPS, "secret": SECRETS}


def references_of(pod: Obj) -> frozenset[Ref]:
    """Return everything that the pod's environment, volumes and image pulls refer to."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    found = {("secret", ref.get("name", "")) for ref in spec.get("imagePullSecrets") or ()}
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            found.update(_of_container(container))
    for volume in spec.get("volumes") or ():
        found.update(_of_volume(volume))
    return frozenset(Ref(kind, namespace, name) for kind, name in found if name)


def _of_container(container: Obj) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield "configmap", (source.get("configMapRef") or {}).get("name", "")
        yield "secret", (source.get("secretRef") or {}).get("name", "")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield "configmap", (source.get("configMapKeyRef") or {}).get("name", "")
        yield "secret", (source.get("secretKeyRef") or {}).get("name", "")


def _of_volume(volume: Obj) -> Iterator[tuple[str, str]]:
    yield "configmap", (volume.get("configMap") or {}).get("name", "")
    yield "secret", (volume.get("secret") or {}).get("secretName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield "configmap", (source.get("configMap") or {}).get("name", "")
        yield "secret", (source.get("secret") or {}).get("name", "")


@dataclass
class _Watched:
    """One informer, its task, and the uids of the pods that need it."""

    informer: Informer[Any]
    task: asyncio.Task[None]
    holders: set[str] = field(default_factory=set)


class References:
    """The one owner of the node's watches on referred objects. `tasks` holds the watches' lifetimes."""

    def __init__(self, client: Client, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._watched: dict[Ref, _Watched] = {}
        self._held: dict[str, frozenset[Ref]] = {}
        self._services: Informer[Any] | None = None
        self._subscribers: list[Callable[[str], None]] = []

    def subscribe(self, on_change: Callable[[str], None]) -> None:
        """Call `on_change(pod_uid)` after an object that this pod refers to changed; must be fast."""
        self._subscribers.append(on_change)

    def hold(self, pod: Obj) -> None:
        """Watch what the pod refers to until `release`; called again, take over a changed spec."""
        uid, wanted = pod["metadata"]["uid"], references_of(pod)
        held = self._held.get(uid, frozenset())
        self._held[uid] = wanted
        for ref in wanted - held:
            self._watch(ref).holders.add(uid)
        for ref in held - wanted:
            self._drop(ref, uid)

    def release(self, uid: str) -> None:
        """End the watches that only this pod needed. Idempotent."""
        for ref in self._held.pop(uid, frozenset()):
            self._drop(ref, uid)

    async def objects(self, pod: Obj) -> tuple[dict[str, Obj], dict[str, Obj]]:
        """Return the existing (ConfigMaps, Secrets) that the pod refers to, by name.

        Holds the pod's references. Raises `ConfigError` if the API server does not answer in time.
        """
        self.hold(pod)
        found: dict[str, dict[str, Obj]] = {"configmap": {}, "secret": {}}
        for ref in self._held[pod["metadata"]["uid"]]:
            informer = self._watched[ref].informer
            await _wait(informer, ref.kind)
            if (obj := informer.get(ref.namespace, ref.name)) is not None:
                found[ref.kind][ref.name] = obj
        return found["configmap"], found["secret"]

    async def env_sources(self, pod: Obj, facts: Facts | None = None) -> EnvSources:
        """Return what the environment of the pod's containers is made of; `facts` adds what the agent knows.

        Raises `ConfigError` if the API server does not answer in time.
        """
        if self._services is None:
            self._services = Informer(self._client, SERVICES)
            self._tasks.spawn(self._services.run(), "follow services")
        configmaps, secrets = await self.objects(pod)
        await _wait(self._services, "service")
        services = [dict(service) for service in self._services.list()]
        return EnvSources(configmaps, secrets, services, facts or facts_of(pod))

    def _watch(self, ref: Ref) -> _Watched:
        if (watched := self._watched.get(ref)) is None:
            informer = Informer(
                self._client, _RESOURCES[ref.kind], ref.namespace, field_selector=f"metadata.name={ref.name}"
            )
            informer.subscribe(lambda old, new: self._changed(ref))
            task = self._tasks.spawn(informer.run(), f"follow {ref.kind} {ref.namespace}/{ref.name}")
            watched = self._watched[ref] = _Watched(informer, task)
        return watched

    def _drop(self, ref: Ref, uid: str) -> None:
        watched = self._watched[ref]
        watched.holders.discard(uid)
        if not watched.holders:
            watched.task.cancel()
            del self._watched[ref]

    def _changed(self, ref: Ref) -> None:
        watched = self._watched.get(ref)
        for uid in list(watched.holders) if watched else ():
            for subscriber in self._subscribers:
                subscriber(uid)


async def _wait(informer: Informer[Any], kind: str) -> None:
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await informer.synced()
    except TimeoutError:
        raise ConfigError(f"failed to sync {kind} cache: timed out waiting for the condition") from None


def facts_of(pod: Obj) -> Facts:
    """Return the facts that the pod's status tells."""
    status = pod.get("status") or {}
    pod_ips = tuple(entry["ip"] for entry in status.get("podIPs") or ())
    host_ips = tuple(entry["ip"] for entry in status.get("hostIPs") or ())
    return Facts(
        pod_ips or tuple(filter(None, [status.get("podIP")])),
        host_ips or tuple(filter(None, [status.get("hostIP")])),
    )
