"""One version of Kubernetes for nodes and server."""

from datetime import UTC, datetime

from api.version import GIT_VERSION, KUBERNETES
from apiserver.version import version_info
from nodeagent.machine import Load, Machine
from nodeagent.node_status import NodeSpec, Runtime, compute_node_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_nodes_and_server_are_of_one_version():
    machine = Machine("host", 4, 8 << 30, 100 << 30)
    status = compute_node_status(NodeSpec("n1", ()), machine, Load(), Runtime(), {}, NOW)
    assert status["nodeInfo"]["kubeletVersion"] == KUBERNETES
    assert version_info()["gitVersion"] == GIT_VERSION
    assert GIT_VERSION.startswith(KUBERNETES + "+")
    assert KUBERNETES.startswith(f"v{version_info()['major']}.{version_info()['minor']}.")
