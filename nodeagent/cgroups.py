"""The cgroups above the containers' own: `kubepods`, its QoS classes, and one per pod. cgroup v1, hybrid and
v2.

The runtime makes the containers' cgroups below; the agent makes the pod's, sets its limits, and removes it
when the pod is gone. Called by the pod worker. All calls are a few system calls in a kernel file system and
do not block.
"""

import errno
from dataclasses import dataclass
from pathlib import Path

from kit import log
from nodeagent.resources import PERIOD_US, Limits, weight_of

_log = log.get("nodeagent.cgroups")


@dataclass(frozen=True)
class Hierarchies:
    """Where cgroups are mounted: by controller for v1, one root for v2 (`unified` alone)."""

    v1: dict[str, Path]
    unified: Path | None = None

    @property
    def is_v2(self) -> bool:
        return not self.v1 and self.unified is not None

    @property
    def roots(self) -> set[Path]:
        return {*self.v1.values(), *([self.unified] if self.unified else [])}


def parse_mounts(mountinfo: str) -> Hierarchies:
    """Return the hierarchies from the text of `/proc/self/mountinfo`."""
    v1: dict[str, Path] = {}
    unified: Path | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        path = Path(fields[4])
        if kind[0] == "cgroup2" and (unified is None or path == Path("/sys/fs/cgroup")):
            unified = path
        elif kind[0] == "cgroup" and len(kind) > 2:
            for option in kind[2].split(","):
                if option not in ("rw", "ro", "xattr", "clone_children") and "=" not in option:
                    v1.setdefault(option, path)
            if "name=systemd" in kind[2]:
                v1.setdefault("name=systemd", path)
    return Hierarchies(v1, unified)


class Cgroups:
    """Makes and removes cgroups given as absolute paths (`/kubepods/burstable/pod<uid>`)."""

    def __init__(self, hierarchies: Hierarchies) -> None:
        self.hierarchies = hierarchies

    @classmethod
    def detect(cls) -> "Cgroups":
        return cls(parse_mounts(Path("/proc/self/mountinfo").read_text()))

    def ensure(self, path: str, limits: Limits) -> None:
        """Make a cgroup and set its limits. Idempotent. What the kernel refuses is logged, not raised: the
        containers' own limits hold without it.
        """
        try:
            if self.hierarchies.is_v2:
                self._ensure_v2(path, limits)
            else:
                self._ensure_v1(path, limits)
        except OSError as error:
            _log.warning("cgroup not set", path=path, error=str(error))

    def _ensure_v1(self, path: str, limits: Limits) -> None:
        if cpu := self._v1("cpu", path):
            cpu.mkdir(parents=True, exist_ok=True)
            if limits.shares:
                _write(cpu / "cpu.shares", limits.shares)
            if limits.quota_us:
                _write(cpu / "cpu.cfs_period_us", PERIOD_US)
                _write(cpu / "cpu.cfs_quota_us", limits.quota_us)
        if memory := self._v1("memory", path):
            memory.mkdir(parents=True, exist_ok=True)
            if limits.memory_bytes:
                _write(memory / "memory.limit_in_bytes", limits.memory_bytes)

    def _ensure_v2(self, path: str, limits: Limits) -> None:
        root = self.hierarchies.unified
        if root is None:
            return
        folder = root
        for part in path.strip("/").split("/"):
            available = (folder / "cgroup.controllers").read_text().split()
            for controller in ("cpu", "memory", "pids", "cpuset", "io", "hugetlb"):
                if controller in available:
                    _write(folder / "cgroup.subtree_control", f"+{controller}")
            folder = folder / part
            folder.mkdir(exist_ok=True)
        if limits.shares:
            _write(folder / "cpu.weight", weight_of(limits.shares))
        if limits.quota_us:
            quota = "max" if limits.quota_us < 0 else str(limits.quota_us)
            _write(folder / "cpu.max", f"{quota} {PERIOD_US}")
        if limits.memory_bytes:
            _write(folder / "memory.max", "max" if limits.memory_bytes < 0 else limits.memory_bytes)

    def _v1(self, controller: str, path: str) -> Path | None:
        root = self.hierarchies.v1.get(controller)
        return root / path.strip("/") if root else None

    def children(self, path: str) -> set[str]:
        """Return the names of the cgroups right below one, in any hierarchy."""
        folders = [root / path.strip("/") for root in self.hierarchies.roots]
        return {
            child.name
            for folder in folders
            if folder.is_dir()
            for child in folder.iterdir()
            if child.is_dir()
        }

    def remove(self, path: str) -> bool:
        """Remove a cgroup and those below it from every hierarchy; return whether nothing is left.
        Idempotent.
        """
        left = [root for root in self.hierarchies.roots if not _remove_tree(root / path.strip("/"))]
        return not left


def _remove_tree(folder: Path) -> bool:
    try:
        below = [child for child in folder.iterdir() if child.is_dir()]
    except OSError:
        return True
    for child in below:
        _remove_tree(child)
    try:
        folder.rmdir()
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))
