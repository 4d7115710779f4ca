from api.version import GIT_VERSION, KUBERNETES
from apiserver.version import version_info
from nodeagent import node_status


def test_nodes_and_server_are_of_one_version():
    assert node_status.KUBERNETES == KUBERNETES
    assert version_info()["gitVersion"] == GIT_VERSION
    assert GIT_VERSION.startswith(KUBERNETES + "+")
    assert KUBERNETES.startswith(f"v{version_info()['major']}.{version_info()['minor']}.")
