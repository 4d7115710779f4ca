"""What a hollow node has instead of volumes, references, probes, hooks and most events."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from api.resource import Obj
from nodeagent.pod.downward import Facts
from nodeagent.pod.edges import EventSink
from nodeagent.pod.env import EnvSources
from nodeagent.probes.manager import ContainerState
from nodeagent.volumes.manager import Mount


class NothingToMount:
    """Volumes of a hollow node: always there, never anywhere."""

    async def mount_pod(self, pod: Obj) -> dict[str, Path]:
        return {}

    def mounts_for(
        self, pod: Obj, container: Obj, env: Mapping[str, str] | Iterable[tuple[str, str]]
    ) -> list[Mount]:
        return []

    async def remove_pod(self, uid: str) -> None:
        return None


class NothingToRefer:
    """References of a hollow node: nobody reads its environments."""

    async def env_sources(self, pod: Obj, facts: Facts | None = None) -> EnvSources:
        return EnvSources(facts=facts or Facts())


class AlwaysWell:
    """Probes of a hollow node: all succeed at once."""

    def sync(self, pod: Obj, containers: Mapping[str, ContainerState], pod_ip: str = "") -> None:
        return None

    def result(self, pod_uid: str, container: str, kind: str) -> bool | None:
        return True

    def forget(self, pod_uid: str) -> None:
        return None


class NoHooks:
    """Lifecycle hooks of a hollow node: all end well at once."""

    async def run(
        self,
        pod: Obj,
        container: Obj,
        container_id: str,
        handler: Obj,
        *,
        pod_ip: str = "",
        timeout_s: float = 0.0,
    ) -> None:
        return None


class QuietEvents:
    """Events of a hollow node, without those about images and files that it does not have.

    In a crowd only warnings are told: events of thousands of nodes, each a write, would be read by nobody.
    """

    def __init__(self, make: Callable[[], EventSink], crowd: bool = False) -> None:
        self._make = make
        self._crowd = crowd
        # Made at the first event: most nodes of a crowd never have one.
        self._events: EventSink | None = None

    def event(self, obj: Mapping[str, Any], event_type: str, reason: str, message: str) -> None:
        if reason in ("Pulling", "Pulled", "Created") or (self._crowd and event_type == "Normal"):
            return
        if self._events is None:
            self._events = self._make()
        self._events.event(obj, event_type, reason, message)
