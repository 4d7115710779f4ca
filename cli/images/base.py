"""The images that every local cluster has, so that nothing needs a registry: pause, busybox and the
examples' web server.

All are made from the machine's own static busybox (Debian package `busybox-static`).
"""

import platform
import subprocess
from pathlib import Path

from cli.images.oci import File, Image, build_archive
from cli.images.pause import build_pause

PAUSE = "registry.k8s.io/pause:3.10"
BUSYBOX = (
    "docker.io/library/busybox:latest",
    "docker.io/library/busybox:1.36",
    "docker.io/library/busybox:stable",
)
HELLO = "pelamis.dev/hello:1"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# Says who answers and from where: an example should show the pod, not only that something answered.
_HELLO_CGI = rb"""#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "Hello from pod $(hostname) on node ${NODE_NAME:-unknown}"
"""


class NoBusybox(Exception):
    """There is no static busybox on this machine."""


def build_base(busybox: Path = Path("/bin/busybox")) -> bytes:
    """Return one OCI archive with all base images. Raises `NoBusybox`."""
    if not busybox.exists():
        raise NoBusybox(f"{busybox} is missing: apt-get install busybox-static")
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    tree = _busybox_tree(busybox)
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    serve = ("/bin/httpd", "-f", "-v", "-p", "8080", "-h", "/www")
    hello = (File("www"), File("www/cgi-bin"), File("www/cgi-bin/index.cgi", _HELLO_CGI))
    return build_archive(
        (
            _pause(architecture, tree, path),
            Image(BUSYBOX, tree, command=("sh",), env=path, architecture=architecture),
            Image((HELLO,), (*tree, *hello), entrypoint=serve, env=path, architecture=architecture),
        )
    )


def _pause(architecture: str, tree: tuple[File, ...], path: dict[str, str]) -> Image:
    if architecture == "amd64":
        return Image(
            (PAUSE,), (File("pause", build_pause()),), entrypoint=("/pause",), architecture=architecture
        )
    return Image((PAUSE,), tree, entrypoint=("/bin/sleep", "2147483647"), env=path, architecture=architecture)


def _busybox_tree(busybox: Path) -> tuple[File, ...]:
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    folders = ("bin", "etc", "dev", "proc", "sys", "root", "home", "var", "usr", "usr/bin", "sbin")
    return (
        *(File(name) for name in folders),
        File("tmp", mode=0o1777),
        File("bin/busybox", busybox.read_bytes()),
        *(File(f"bin/{name}", link="busybox") for name in listed if name != "busybox"),
        File(
            "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644
        ),
        File("etc/group", b"root:x:0:\nnobody:x:65534:\n", 0o644),
        File("etc/nsswitch.conf", b"hosts: files dns\n", 0o644),
    )
