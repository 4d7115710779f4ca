"""Makes a backend from the URL that a user gives: `--store`, `--etcd-servers`.

memory:                                  in this process only
sqlite:/var/lib/pelamis/store.db         a file on this machine, for one API server
etcd://127.0.0.1:2379                    etcd without TLS; several members: etcd://a:2379,b:2379
https://10.0.0.1:2379,10.0.0.2:2379      etcd with TLS; with upstream's form https://a:2379,https://b:2379 too
"""

from pathlib import Path

from store.backend import Backend
from store.channels import ClientTLS
from store.etcd import EtcdBackend
from store.memory import MemoryBackend
from store.sqlite import SqliteBackend

DEFAULT_PORT = 2379


def parse_targets(url: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether TLS is asked for, and the `host:port` of each member. Raises `ValueError`."""
    secure, targets = False, []
    for part in url.split(","):
        scheme, found, rest = part.strip().rpartition("://")
        if found and scheme not in ("etcd", "http", "https"):
            raise ValueError(f"unknown scheme {scheme!r} in {url!r}")
        secure = secure or scheme == "https"
        host = rest.rstrip("/")
        if not host:
            raise ValueError(f"no host in {url!r}")
        targets.append(host if host.rpartition(":")[2].isdigit() else f"{host}:{DEFAULT_PORT}")
    return secure, tuple(targets)


async def open_backend(
    url: str, *, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Backend:
    """Return the open backend. Raises `ValueError` on a bad URL, `Unavailable` when it cannot be reached."""
    if url in ("memory", "memory:"):
        return MemoryBackend()
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:").removeprefix("//")
        if not path:
            raise ValueError(f"no path in {url!r}")
        return await SqliteBackend.open(Path(path))
    if url.startswith("unix:"):
        return await EtcdBackend.open((url,))
    secure, targets = parse_targets(url)
    if secure and ca is None:
        raise ValueError(f"{url!r} needs a CA file")
    return await EtcdBackend.open(targets, ClientTLS(ca, cert, key) if secure and ca else None)
