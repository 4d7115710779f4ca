"""What e2e tests do with a cluster: run kubectl, wait for what must come true, reach into nodes."""

import functools
import http.client
import json
import os
import queue
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
PELAMIS = [sys.executable, str(ROOT / "pelamis" / "__main__.py")]
BUSYBOX = "docker.io/library/busybox:1.36"


class Failed(AssertionError):
    """A command failed; the text holds what it printed."""


def run(
    command: list[str], *, text: str = "", check: bool = True, timeout_s: float = 120, **more: Any
) -> str:
    """Run a command and return its standard output. Raises `Failed` with both outputs."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=timeout_s, check=False, **more
    )
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return str(done.stdout)


def eventually(what: Callable[[], Any], describe: str, timeout_s: float = 60) -> Any:
    """Call `what` until it returns something true, and return that. An error counts as "not yet"."""
    deadline = time.monotonic() + timeout_s
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = what()
            if last:
                return last
        except (Failed, KeyError, IndexError, subprocess.TimeoutExpired) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout_s} s: {describe}; last: {last}")


def kubectls() -> dict[int, str]:
    """Return every real kubectl on this machine by minor version, oldest first.

    Debian's (1.20) joins them where its package can be fetched: the oldest that users have.
    """
    places = [Path(p) for p in (os.environ.get("PELAMIS_KUBECTL"), shutil.which("kubectl")) if p]
    places += sorted(Path("/usr/lib/google-cloud-sdk/bin").glob("kubectl.1.*"))
    found: dict[int, str] = {}
    for place in (*places, *_debian_kubectl()):
        version = json.loads(run([str(place), "version", "--client", "-o", "json"]))["clientVersion"]
        # The Cloud SDK's plain `kubectl` only picks one of the others.
        if "dispatcher" not in version["gitVersion"]:
            found.setdefault(int(version["minor"].rstrip("+")), str(place))
    return dict(sorted(found.items()))


def _debian_kubectl() -> list[Path]:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pelamis-e2e"
    program = cache / "usr/bin/kubectl"
    if not program.exists() and shutil.which("apt-get"):
        cache.mkdir(parents=True, exist_ok=True)
        quiet: dict[str, Any] = {"cwd": cache, "capture_output": True, "check": False, "timeout": 60}
        subprocess.run(["apt-get", "download", "kubernetes-client"], **quiet)
        for package in cache.glob("kubernetes-client_*.deb"):
            subprocess.run(["dpkg-deb", "-x", package.name, "."], **quiet)
    return [program] if program.exists() else []


class Follower:
    """A command that keeps printing; its lines are read with a deadline, so that nothing waits for ever."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)

    def until(self, text: str, timeout_s: float = 30) -> str:
        """Return the first line from here on that holds `text`."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.seen.append(self._lines.get(timeout=left))
            except queue.Empty:
                break
            if text in self.seen[-1]:
                return self.seen[-1]
        raise AssertionError(f"no line with {text!r} within {timeout_s} s; printed: {self.seen}")

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout
        self._process.stdout.close()


@dataclass(frozen=True)
class Answer:
    """What the API server said: the status code, the headers in lower case, and the body."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.body)
        return answer


@functools.cache
def newest_kubectl() -> str:
    found = kubectls()
    assert found, "e2e tests need a kubectl: apt-get install kubernetes-client"
    return found[max(found)]


@dataclass
class Cluster:
    """A running local cluster, seen through one kubectl."""

    dir: Path
    kubectl_path: str = ""
    # Set by tests that go through several kubectls.
    minor: int = 0
    namespace_name: str = "default"

    def __post_init__(self) -> None:
        self.kubectl_path = self.kubectl_path or newest_kubectl()

    @property
    def kubeconfig(self) -> Path:
        return self.dir / "kubeconfig"

    def with_kubectl(self, path: str) -> "Cluster":
        return Cluster(self.dir, path)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    @property
    def command(self) -> list[str]:
        """kubectl with a cache of its own: it caches by server address, and clusters come and go."""
        return [self.kubectl_path, f"--cache-dir={self.dir / 'kubecache'}"]

    def kubectl(self, *words: str, text: str = "", check: bool = True, timeout_s: float = 120) -> str:
        return run([*self.command, *words], text=text, check=check, timeout_s=timeout_s, env=self.environment)

    def kubectl_error(self, *words: str, text: str = "") -> str:
        """Run a kubectl command that must fail; return its standard error."""
        done = subprocess.run(
            [*self.command, *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
        )
        assert done.returncode != 0, f"{words} did not fail: {done.stdout}"
        return done.stderr

    @contextmanager
    def follow(self, *words: str) -> Iterator[Follower]:
        """A kubectl command that does not end by itself: `get -w`, `logs -f`, `port-forward`."""
        follower = Follower([*self.command, *words], self.environment)
        try:
            yield follower
        finally:
            follower.close()

    @functools.cached_property
    def server(self) -> str:
        lines = self.kubeconfig.read_text().splitlines()
        return next(line.split()[-1] for line in lines if line.strip().startswith("server:"))

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.dir / "pki" / "ca.crt"))
        context.load_cert_chain(self.dir / "pki" / "admin.crt", self.dir / "pki" / "admin.key")
        return context

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Answer:
        """Send one request as the administrator. `body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPSConnection(urlsplit(self.server).netloc, context=self._tls, timeout=60)
        try:
            connection.request(method, path, data, {"Content-Type": content_type} if data is not None else {})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """As `request`, for what must succeed: the decoded body. Raises `Failed` with the Status."""
        answer = self.request(method, path, body, content_type)
        if answer.code >= 300:
            raise Failed(f"{method} {path}: {answer.code} {answer.body.decode(errors='replace')}")
        return answer.json

    def revision(self, path: str) -> str:
        """Return where a watch of a collection starts that is to show what comes from now on."""
        revision: str = self.call("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
        return revision

    def watch(self, path: str, revision: str, timeout_s: int) -> Iterator[dict[str, Any]]:
        """Yield the events of a collection after `revision`, until the server ends the watch."""
        connection = http.client.HTTPSConnection(urlsplit(self.server).netloc, context=self._tls, timeout=60)
        try:
            query = f"watch=true&resourceVersion={revision}&timeoutSeconds={timeout_s}"
            connection.request("GET", f"{path}?{query}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            for line in answer:
                yield json.loads(line)
        finally:
            connection.close()

    def get(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json"))
        return answer

    def items(self, *words: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(*words)["items"]
        return items

    def apply(self, manifest: str, *words: str) -> str:
        return self.kubectl("apply", "-f", "-", *words, text=manifest)

    def pelamis(self, *words: str, timeout_s: float = 180) -> str:
        return run([*PELAMIS, *words, "--dir", str(self.dir)], timeout_s=timeout_s)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return the supervised processes by name."""
        done = subprocess.run(
            [*PELAMIS, "status", "-o", "json", "--dir", str(self.dir)],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return {row["name"]: row for row in json.loads(done.stdout)}

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A namespace that is there with its service account, and goes with the block."""
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually(lambda: self.call("GET", account), f"service account of {name}")
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", check=False)


def make_cluster(folder: Path, *flags: str) -> Cluster:
    """Bring a cluster up. Raises `Failed` with the ends of its logs."""
    try:
        run([*PELAMIS, "up", "--dir", str(folder), *flags], timeout_s=180)
    except Failed as error:
        logs = {path.name: path.read_text()[-2000:] for path in (folder / "logs").glob("*.log")}
        raise Failed(f"{error}\n" + "\n".join(f"== {name}\n{text}" for name, text in logs.items())) from None
    return Cluster(folder)
