"""The pods this node knows, by uid and by name, with what the runtime said last: the one table of the agent.

The pod workers write it; the node's HTTP server, the event stream and the node status read it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from api.resource import Obj
from nodeagent.pod.observed import NOTHING, ContainerObserved, PodObserved


@dataclass(slots=True)
class PodRecord:
    """One pod. `pod` is the newest object seen; it is shared and must not be changed."""

    pod: Obj
    observed: PodObserved = NOTHING
    # The status computed last; newer than `pod["status"]` while a write is under way.
    status: Obj = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def sandbox_id(self) -> str:
        """The newest sandbox, or ""."""
        return self.observed.sandbox.id if self.observed.sandbox else ""

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses as the runtime said them; empty on the node's network."""
        return self.observed.sandbox.ips if self.observed.sandbox else ()

    def container(self, name: str, previous: bool = False) -> ContainerObserved | None:
        """Return the newest (or the one before) attempt of a container."""
        return self.observed.previous(name) if previous else self.observed.find(name)

    def log_path(self, name: str, previous: bool = False) -> Path | None:
        """Return the log file of an attempt of a container, if there is such an attempt."""
        container = self.container(name, previous)
        return Path(container.log_path) if container is not None and container.log_path else None


class PodDirectory:
    """Pods by uid, by (namespace, name), and by the ids of their containers and sandboxes."""

    def __init__(self) -> None:
        self._by_uid: dict[str, PodRecord] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._owner_of_id: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def __iter__(self) -> Iterator[PodRecord]:
        return iter(list(self._by_uid.values()))

    def get(self, uid: str) -> PodRecord | None:
        return self._by_uid.get(uid)

    def find(self, namespace: str, name: str) -> PodRecord | None:
        """Return the pod of that name seen last."""
        return self._by_uid.get(self._by_name.get((namespace, name), ""))

    def uid_of(self, runtime_id: str) -> str:
        """Return the uid of the pod that owns a container or sandbox, or ""."""
        return self._owner_of_id.get(runtime_id, "")

    def put(self, pod: Obj) -> PodRecord:
        """Add or renew a pod's object."""
        metadata = pod["metadata"]
        record = self._by_uid.get(metadata["uid"])
        if record is None:
            record = self._by_uid[metadata["uid"]] = PodRecord(pod)
        record.pod = pod
        self._by_name[(metadata.get("namespace", ""), metadata["name"])] = metadata["uid"]
        return record

    def observe(self, uid: str, observed: PodObserved) -> None:
        """Set what the runtime says about a pod."""
        record = self._by_uid.get(uid)
        if record is None:
            return
        self._forget_ids(record)
        record.observed = observed
        for container in observed.containers:
            self._owner_of_id[container.id] = uid
        for sandbox in observed.sandboxes:
            self._owner_of_id[sandbox.id] = uid

    def own(self, uid: str, runtime_id: str) -> None:
        """Note a container or sandbox the moment it is made, before it is observed."""
        self._owner_of_id[intern(runtime_id)] = uid

    def remove(self, uid: str) -> None:
        record = self._by_uid.pop(uid, None)
        if record is None:
            return
        self._forget_ids(record)
        metadata = record.pod["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        if self._by_name.get(key) == uid:
            del self._by_name[key]

    def _forget_ids(self, record: PodRecord) -> None:
        for container in record.observed.containers:
            self._owner_of_id.pop(container.id, None)
        for sandbox in record.observed.sandboxes:
            self._owner_of_id.pop(sandbox.id, None)
