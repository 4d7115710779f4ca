"""The facts of the machine: what `/proc`, `/sys` and the host's files say. Called by the node's
registration.
"""

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@dataclass(frozen=True)
class Machine:
    """What does not change while the agent runs."""

    hostname: str
    cpus: int = 1
    memory_bytes: int = 0
    disk_bytes: int = 0
    architecture: str = "amd64"
    kernel: str = ""
    os_image: str = ""
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""


@dataclass(frozen=True)
class Load:
    """What is free now; -1 where it could not be read."""

    memory_available_bytes: int = -1
    disk_available_percent: float = -1.0


def read_machine(root: Path) -> Machine:
    """Return the facts of this machine; `root` is on the file system that counts as ephemeral storage."""
    return Machine(
        hostname=socket.gethostname().lower(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=_meminfo("MemTotal"),
        disk_bytes=shutil.disk_usage(_existing(root)).total,
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def read_load(root: Path) -> Load:
    """Return what is free now."""
    usage = shutil.disk_usage(_existing(root))
    percent = 100.0 * usage.free / usage.total if usage.total else -1.0
    return Load(_meminfo("MemAvailable"), percent)


def find_node_ip() -> str:
    """Return the address this machine would send from; 127.0.0.1 if it has no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Documentation address: connecting a datagram socket sends nothing, it only asks the routing
            # table.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _meminfo(key: str) -> int:
    for line in _text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * 1024
    return -1


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"
