"""What e2e tests do with a cluster: run kubectl, wait for what must come true, reach into nodes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def kubectls() -> list[str]:
    """Return every kubectl on this machine, one per version."""
    places = [Path(p) for p in (shutil.which("kubectl"), os.environ.get("PELAMIS_KUBECTL")) if p]
    places += sorted(Path("/usr/lib/google-cloud-sdk/bin").glob("kubectl.1.*"))
    found: dict[str, str] = {}
    for place in places:
        version = json.loads(run([str(place), "version", "--client", "-o", "json"]))["clientVersion"]
        found.setdefault(version["gitVersion"], str(place))
    return list(found.values())


@dataclass
class Cluster:
    """A running local cluster, seen through one kubectl."""

    dir: Path
    kubectl_path: str = "kubectl"
    # Set by tests that go through several kubectls.
    minor: int = 0
    namespace_name: str = "default"

    @property
    def kubeconfig(self) -> Path:
        return self.dir / "kubeconfig"

    def with_kubectl(self, path: str) -> "Cluster":
        return Cluster(self.dir, path)

    @property
    def environment(self) -> dict[str, str]:
        # A cache of its own: kubectl caches discovery by server address, and clusters come and go here.
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.dir / "kubecache")}

    def kubectl(self, *words: str, text: str = "", check: bool = True, timeout_s: float = 120) -> str:
        return run(
            [self.kubectl_path, *words], text=text, check=check, timeout_s=timeout_s, env=self.environment
        )

    def kubectl_error(self, *words: str, text: str = "") -> str:
        """Run a kubectl command that must fail; return its standard error."""
        done = subprocess.run(
            [self.kubectl_path, *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
        )
        assert done.returncode != 0, f"{words} did not fail: {done.stdout}"
        return done.stderr

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
        self.kubectl("create", "namespace", name)
        eventually(lambda: self.get("serviceaccount", "default", "-n", name), f"service account of {name}")
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
