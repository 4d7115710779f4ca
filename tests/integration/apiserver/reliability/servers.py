"""Several API server processes over one etcd, for tests that kill them: real processes, real TLS."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from kit import tls
from store.backend import Backend
from store.open import open_backend
from store.process import EtcdProcess, ensure_certs
from tests.contract.stores import free_port

PROGRAM = Path(__file__).resolve().parents[4] / "pelamis" / "__main__.py"
READY_S = 30.0


class Server:
    """One API server process on a port of its own."""

    def __init__(self, number: int, folder: Path, store: str) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._log = folder / f"apiserver-{number}.log"
        self._argv = [
            sys.executable, str(PROGRAM), "apiserver", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1", f"--advertise-address=127.0.0.{number + 1}",
            f"--etcd-servers={store}",
            f"--tls-cert-file={folder}/server.crt", f"--tls-private-key-file={folder}/server.key",
            f"--client-ca-file={folder}/ca.crt", "--disable-admission-plugins=ServiceAccount",
            "--etcd-compaction-interval=0",
        ]  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._argv, stdout=log, stderr=log)

    async def ready(self, session: ClientSession) -> None:
        """Wait until it says so."""
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except (ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.02)

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, number)
            await self._process.wait()

    def log_tail(self) -> str:
        return self._log.read_text()[-2000:]


class Control:
    """The servers, their store, and a client with an administrator's certificate."""

    def __init__(self, servers: list[Server], backend: Backend, session: ClientSession) -> None:
        self.servers, self.backend, self.session = servers, backend, session

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    async def restart(self, number: int) -> float:
        """Kill a server, start it again, wait for it; return the seconds from the kill to ready."""
        loop = asyncio.get_running_loop()
        begun, server = loop.time(), self.servers[number]
        await server.kill()
        await server.start()
        await server.ready(self.session)
        return loop.time() - begun

    async def compact(self) -> None:
        """Make the store forget all history."""
        await self.backend.compact(await self.backend.current_revision())


def _pki(folder: Path) -> ssl.SSLContext:
    ca = tls.new_ca("test")
    ca.save(folder / "ca")
    tls.issue(ca, "server", server_names=["127.0.0.1"], client=False).save(folder / "server")
    tls.issue(ca, "admin", ["system:masters"]).save(folder / "admin")
    return tls.client_context(folder / "ca.crt", folder / "admin.crt", folder / "admin.key")


@asynccontextmanager
async def running(folder: Path, count: int) -> AsyncIterator[Control]:
    """Yield `count` servers over a new etcd, all ready."""
    etcd = EtcdProcess(folder / "etcd", free_port(), free_port(), ensure_certs(folder / "etcd-pki"))
    context = _pki(folder)
    await etcd.start()
    servers: list[Server] = []
    timeout = ClientTimeout(total=None, sock_connect=5, sock_read=40)
    try:
        await etcd.ready()
        store = etcd.socket_url or etcd.url
        backend = await open_backend(store)
        servers = [Server(number, folder, store) for number in range(count)]
        async with ClientSession(connector=TCPConnector(ssl=context, limit=0), timeout=timeout) as session:
            # A PUT or DELETE that is silently sent twice would be told as refused though it was done.
            session._retry_connection = False
            for server in servers:
                await server.start()
            for server in servers:
                await server.ready(session)
            yield Control(servers, backend, session)
        await backend.close()
    finally:
        for server in servers:
            await server.kill()
        await etcd.stop()
