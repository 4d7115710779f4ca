"""The contract of volume plugins, and the words they share. PURE.

A plugin is a module of `volumes/plugins/` with `layout(volume, view) -> Layout`: what the volume's directory
shall hold. The driver (`volumes/manager.py`) performs layouts; every step of it may be repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from api.resource import Obj
from nodeagent.pod.downward import Facts
from nodeagent.volumes.atomic import FileContent


class VolumeError(Exception):
    """A volume cannot be set up now; the message is what the event `FailedMount` says."""

    def __init__(self, message: str, retryable: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class TokenSpec(NamedTuple):
    """A service account token that a projected volume asks for; audience "" is the API server's."""

    audience: str
    expiration_s: int


@dataclass(frozen=True)
class View:
    """What a layout may look at. ConfigMaps and Secrets are those that exist, by name."""

    pod: Obj
    configmaps: Mapping[str, Obj] = field(default_factory=dict)
    secrets: Mapping[str, Obj] = field(default_factory=dict)
    tokens: Mapping[TokenSpec, str] = field(default_factory=dict)
    # PersistentVolumes by the pod's volume name, for volumes that claim one.
    volumes: Mapping[str, Obj] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Files:
    """Files written by the agent and kept up to date; read-only in containers. `memory`: never on a disk."""

    files: Mapping[str, FileContent]
    memory: bool


@dataclass(frozen=True)
class Scratch:
    """An empty directory, the pod's own. `memory`: a tmpfs, of at most `size_bytes` (0: no limit)."""

    memory: bool
    size_bytes: int = 0


@dataclass(frozen=True)
class Host:
    """A path of the node; `type` is `hostPath.type`."""

    path: str
    type: str = ""


@dataclass(frozen=True)
class Remote:
    """A file system to mount, as mount(8) takes it."""

    kind: str
    source: str
    options: tuple[str, ...] = ()


Layout: TypeAlias = Files | Scratch | Host | Remote


def default_mode(source: Obj) -> int:
    mode = source.get("defaultMode")
    return 0o644 if mode is None else int(mode)


def pick(
    available: Mapping[str, bytes], items: list[Obj] | None, mode: int, optional: bool, what: str
) -> dict[str, FileContent]:
    """Return the files that `items` choose (all if None); a missing key is an error unless `optional`."""
    if not items:
        return {key: FileContent(data, mode) for key, data in available.items()}
    files: dict[str, FileContent] = {}
    for item in items:
        if item["key"] in available:
            chosen = mode if item.get("mode") is None else int(item["mode"])
            files[item["path"]] = FileContent(available[item["key"]], chosen)
        elif not optional:
            raise VolumeError(f"references non-existent {what} key: {item['key']}")
    return files
