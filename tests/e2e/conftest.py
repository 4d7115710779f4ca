"""One real cluster of three nodes for all e2e tests, and one for those that break it."""

import gc
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import PELAMIS, Cluster, make_cluster
from tests.e2e.space import Space

# Detection in seconds instead of a minute, with upstream's own knobs; the mechanism is the same.
FAST = (
    "--set=controllers:--node-monitor-period=1s",
    "--set=controllers:--node-monitor-grace-period=6s",
    "--set=node:--node-lease-duration=4s",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Three nodes with containerd, etcd, fast failure detection; PELAMIS_E2E_DIR names one that runs."""
    if running := os.environ.get("PELAMIS_E2E_DIR"):
        yield Cluster(Path(running))
        return
    assert os.geteuid() == 0, "e2e tests start containers and need root"
    folder = tmp_path_factory.mktemp("cluster")
    try:
        yield make_cluster(folder, "--nodes=3", "--port=26443", "--store=etcd", *FAST)
    finally:
        subprocess.run([*PELAMIS, "down", "--purge", "--dir", str(folder)], check=False, timeout=120)


@pytest.fixture
def space(request, cluster) -> Iterator[Space]:
    """A namespace for one test, named after it."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:50]
    with cluster.namespace(f"{name.rstrip('-')}-{os.urandom(2).hex()}") as made:
        yield Space(cluster, made)


@pytest.fixture
def collected() -> Iterator[None]:
    """What a client leaves open is collected here, where warnings about it are only shown."""
    yield
    gc.collect()
