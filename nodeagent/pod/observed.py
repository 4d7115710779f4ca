"""What the runtime says about one pod, as plain values: sandboxes and containers of all attempts.

Made by `cri/observe.py`; read by the pure core (`actions`, `status`, `order`), probes and the node's HTTP
server. Times are UTC datetimes, or None when the runtime has not reached that point.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class State(Enum):
    """The state of a container's process, as CRI has it."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContainerObserved:
    """One attempt of one container. `spec_hash` identifies the spec it was made from; `restarts` is its
    attempt.
    """

    id: str
    name: str
    state: State
    sandbox_id: str = ""
    restarts: int = 0
    image: str = ""
    image_id: str = ""
    spec_hash: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    reason: str = ""
    # The termination message if the container left one, else the runtime's own text.
    message: str = ""
    log_path: str = ""

    @property
    def running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def exited(self) -> bool:
        return self.state is State.EXITED

    @property
    def failed(self) -> bool:
        """It ended badly; an unknown state counts, since nobody can say that it went well."""
        return self.state is State.UNKNOWN or (self.exited and self.exit_code != 0)


@dataclass(frozen=True, slots=True)
class SandboxObserved:
    """One attempt of a pod's sandbox. `ips` is empty for pods on the node's network."""

    id: str
    ready: bool
    attempt: int = 0
    created_at: datetime | None = None
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodObserved:
    """All attempts that the runtime still holds, newest first in both lists."""

    sandboxes: tuple[SandboxObserved, ...] = ()
    containers: tuple[ContainerObserved, ...] = ()
    newest: dict[str, ContainerObserved] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        newest: dict[str, ContainerObserved] = {}
        for container in self.containers:
            newest.setdefault(container.name, container)
        object.__setattr__(self, "newest", newest)

    def find(self, name: str) -> ContainerObserved | None:
        """Return the newest attempt of a container."""
        return self.newest.get(name)

    def previous(self, name: str) -> ContainerObserved | None:
        """Return the attempt before the newest."""
        attempts = [container for container in self.containers if container.name == name]
        return attempts[1] if len(attempts) > 1 else None

    @property
    def sandbox(self) -> SandboxObserved | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def ready_sandbox(self) -> SandboxObserved | None:
        """The newest sandbox if it is alive."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].ready else None

    @property
    def running(self) -> tuple[ContainerObserved, ...]:
        return tuple(container for container in self.containers if container.running)


NOTHING = PodObserved()
