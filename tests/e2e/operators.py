"""kopf's own example operators, run as processes against a cluster."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.e2e.harness import Cluster, eventually, run


def fetch_examples(folder: Path) -> Path:
    """Return the folder of the examples, which kopf's source package holds and its wheel does not."""
    wanted = version("kopf")
    pip = [sys.executable, "-m", "pip", "download", "--no-binary=kopf", "--no-deps", "--quiet"]
    run([*pip, f"--dest={folder}", f"kopf=={wanted}"], timeout_s=180)
    run(["tar", "-xzf", str(folder / f"kopf-{wanted}.tar.gz"), "-C", str(folder)])
    return folder / f"kopf-{wanted}" / "examples"


@dataclass
class Operator:
    """A running operator. `said` is all that it printed so far."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, timeout_s: float = 30) -> None:
        """Wait until the operator has printed `text`."""
        eventually(
            lambda: text in self._alive(), f"the operator says {text!r}: {self.said[-2000:]}", timeout_s
        )

    def _alive(self) -> str:
        assert self.process.poll() is None, self.said[-3000:]
        return self.said


@contextmanager
def operating(cluster: Cluster, namespace: str, folder: Path, *files: Path) -> Iterator[Operator]:
    """An operator of these files that has found its cluster; it ends in good order with the block."""
    log = folder / "operator.log"
    words = ["-m", "kopf", "run", "--standalone", "--verbose", f"--namespace={namespace}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *words, *map(str, files)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PYTHONUNBUFFERED": "1"},
        )
    made = Operator(process, log)
    try:
        made.says("Initial authentication has finished.")
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
