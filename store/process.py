"""Runs a real etcd as a child process: `pelamis up` and the tests do, where the binary is installed.

    stopped --start--> starting --ready--> running --stop--> stopped
                           ^                  | died: logged, started again after a pause
                           +------------------+

One member on this machine. It serves on a Unix socket in its data directory, which is 0700: who may connect
is who may read the data, and a third of the CPU of TLS is saved on both sides. It also serves on the loopback
interface, with mutual TLS when certificates are given, for other API servers and for etcd's own tools. Flags
are those that etcd 3.4 to 3.6 all accept.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kit import clock, log, tls
from kit.tasks import Tasks

_log = log.get("store.process")

# Tuned for one member: it elects itself at once instead of after a second. etcd demands election >= 5 x
# heartbeat.
HEARTBEAT_MS = 10
ELECTION_MS = 100
QUOTA_BYTES = 8 * 1024**3
# The API accepts objects of 3 MiB; a transaction carries one, and its key.
MAX_REQUEST_BYTES = 8 * 1024**2
# Entries kept in memory between snapshots (3.4 and 3.5: 100,000 by default, half a gigabyte of pods).
SNAPSHOT_COUNT = 10_000
STOP_S = 10.0
READY_S = 30.0
POLL_S = 0.01
RESTART_FIRST_S = 0.1
RESTART_LIMIT_S = 5.0
# In the data directory. etcd 3.4 wants something that looks like a port, and takes it for part of the name.
SOCKET = "etcd.sock:0"
# A killed etcd leaves its socket behind, and then does not start.
_IN_DIRECTORY = f'cd "$1" && rm -f -- "{SOCKET}" && shift && exec "$@"'
# The longest path that a Unix socket may have.
SOCKET_PATH_BYTES = 107
LOG_LIMIT_BYTES = 16 * 1024**2


class EtcdFailed(Exception):
    """etcd did not come up; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Certs:
    """PEM files of a CA, and of a certificate that serves and calls."""

    ca: Path
    cert: Path
    key: Path


def find_etcd() -> str | None:
    """Return the version of the installed etcd ("3.4.23"), or None if there is none that runs."""
    binary = shutil.which("etcd")
    if binary is None:
        return None
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"etcd Version: (\S+)", done.stdout)
    return found[1] if found else None


def ensure_certs(directory: Path) -> Certs:
    """Return the certificates in `directory`; a CA and one certificate for both sides are made at first.

    The CA serves nothing but this store, so whoever holds its certificate may do anything with it.
    """
    certs = Certs(directory / "ca.crt", directory / "etcd.crt", directory / "etcd.key")
    if not all(path.exists() for path in (certs.ca, certs.cert, certs.key)):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca = tls.new_ca("pelamis-etcd-ca")
        pair = tls.issue(ca, "pelamis-etcd", server_names=("localhost", "127.0.0.1"), days=tls.CA_DAYS)
        pair.save(directory / "etcd")
        ca.save(directory / "ca")
    return certs


def build_command(
    binary: str,
    data_dir: Path,
    client_port: int,
    peer_port: int,
    certs: Certs | None,
    quota_bytes: int = QUOTA_BYTES,
) -> list[str]:
    """Return the command line of a single member. `data_dir` is absolute, exists, and is 0700. Pure.

    It runs in the data directory, because that is where etcd puts a socket that it is asked for.
    """
    scheme = "https" if certs else "http"
    client, peer = f"{scheme}://127.0.0.1:{client_port}", f"{scheme}://127.0.0.1:{peer_port}"
    flags = {
        "name": "pelamis",
        "data-dir": data_dir,
        "listen-client-urls": f"{client},unix://{SOCKET}",
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"pelamis={peer}",
        "initial-cluster-token": "pelamis",
        "heartbeat-interval": HEARTBEAT_MS,
        "election-timeout": ELECTION_MS,
        "quota-backend-bytes": quota_bytes,
        "max-request-bytes": MAX_REQUEST_BYTES,
        "snapshot-count": SNAPSHOT_COUNT,
        # The API server compacts: it knows how far its watches and pagers are.
        "auto-compaction-retention": 0,
        "logger": "zap",
        "log-outputs": "stderr",
        "log-level": "warn",
    }
    if certs:
        for side in ("", "peer-"):
            flags |= {f"{side}cert-file": certs.cert, f"{side}key-file": certs.key}
            flags |= {f"{side}trusted-ca-file": certs.ca, f"{side}client-cert-auth": "true"}
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return ["sh", "-c", _IN_DIRECTORY, "sh", str(data_dir), binary, *arguments]


def socket_url(data_dir: Path) -> str | None:
    """Return the URL of the socket for `open_backend`, or None where its path is too long for a socket."""
    path = data_dir / SOCKET
    return f"unix:{path}" if len(os.fsencode(path)) <= SOCKET_PATH_BYTES else None


def child_environment() -> dict[str, str]:
    """Return our environment without what etcd would take for flags."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
    if os.uname().machine == "aarch64":
        environment["ETCD_UNSUPPORTED_ARCH"] = "arm64"
    return environment


class EtcdProcess:
    """A supervised etcd. `start`, then `ready`.

    `open_backend` needs `socket_url` (if there is one), or `url` and `certs`.
    """

    def __init__(
        self,
        data_dir: Path,
        client_port: int,
        peer_port: int,
        certs: Certs | None = None,
        *,
        binary: str = "etcd",
        quota_bytes: int = QUOTA_BYTES,
        log_path: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.certs = certs
        self.log_path = log_path or data_dir.with_name(data_dir.name + ".log")
        self.url = f"{'https' if certs else 'etcd'}://127.0.0.1:{client_port}"
        self.socket_url = socket_url(self.data_dir)
        self._client_port = client_port
        self._binary = binary
        self._command = build_command(binary, self.data_dir, client_port, peer_port, certs, quota_bytes)
        self._pid_path = data_dir.with_name(data_dir.name + ".pid")
        self._process: asyncio.subprocess.Process | None = None
        self._tasks = Tasks()
        self._stopping = False
        # How often it has been started, for those who watch over it.
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start it and keep it running until `stop`. Raises `EtcdFailed` if there is no such binary."""
        if shutil.which(self._binary) is None:
            raise EtcdFailed(f"{self._binary} is not installed")
        self._stopping = False
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data_dir.chmod(0o700)
        await self._end_predecessor()
        await self._spawn()
        self._tasks.spawn(self._supervise(), "etcd-supervise")

    async def ready(self) -> None:
        """Wait until it answers linearizable reads. Raises `EtcdFailed` after `READY_S`, or when it gives
        up.
        """
        begun = self.starts
        try:
            async with asyncio.timeout(READY_S):
                while not await self._is_healthy():
                    if self.starts > begun + 2:
                        raise EtcdFailed(f"etcd does not stay up: {self.log_tail()}")
                    await clock.sleep(POLL_S)
        except TimeoutError as error:
            raise EtcdFailed(f"etcd is not ready after {READY_S:.0f} s: {self.log_tail()}") from error

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not within `STOP_S`. All acknowledged writes stay."""
        self._stopping = True
        await self._tasks.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._pid_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """`kill -9` it, as a test of what happens then; the supervisor starts it again."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def log_tail(self, lines: int = 5) -> str:
        try:
            with self.log_path.open("rb") as source:
                source.seek(max(0, self.log_path.stat().st_size - 8192))
                return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
        except OSError as error:
            return str(error)

    async def _spawn(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_name(self.log_path.name + ".old"))
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as out:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise EtcdFailed(f"cannot run {self._command[0]}: {error}") from error
        self.starts += 1
        self._pid_path.write_text(f"{self._process.pid}\n")

    async def _supervise(self) -> None:
        delay = RESTART_FIRST_S
        while self._process is not None:
            started = clock.monotonic()
            code = await self._process.wait()
            if self._stopping:
                return
            lived = clock.monotonic() - started
            delay = RESTART_FIRST_S if lived > RESTART_LIMIT_S else min(RESTART_LIMIT_S, delay * 2)
            _log.error("etcd ended", code=code, lived_s=round(lived, 1), log=self.log_tail(2), delay_s=delay)
            await clock.sleep(delay)
            await self._spawn()

    async def _end_predecessor(self) -> None:
        """End an etcd on the same data whose supervisor was killed."""
        pid = _pid_in(self._pid_path)
        if pid is None or f"--data-dir={self.data_dir}" not in _command_of(pid):
            return
        _log.warning("ending the etcd of a supervisor that is gone", pid=pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if await _wait_gone(pid, STOP_S):
                return

    async def _is_healthy(self) -> bool:
        """Ask etcd's own health check, which reads through a quorum."""
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._client_port, ssl=self._tls_context()
                )
                try:
                    writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return b" 200 " in answer.partition(b"\r\n")[0] and b'"health":"true"' in answer

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.certs is None:
            return None
        context = ssl.create_default_context(cafile=str(self.certs.ca))
        context.load_cert_chain(self.certs.cert, self.certs.key)
        return context


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


async def _wait_gone(pid: int, seconds: float) -> bool:
    # A process that has ended, even if nobody has asked for its exit code, has no command line.
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        if not any(_command_of(pid)):
            return True
        await clock.sleep(0.05)
    return False
