import pytest

from api.resource import Key, Resource
from store.keys import key_for, parse_key, prefix_of

PODS: Resource[dict[str, object]] = Resource("", "v1", "pods", "Pod")
NODES: Resource[dict[str, object]] = Resource("", "v1", "nodes", "Node", namespaced=False)
DEPLOYMENTS: Resource[dict[str, object]] = Resource("apps", "v1", "deployments", "Deployment")


@pytest.mark.parametrize(
    ("resource", "key", "path"),
    [
        pytest.param(PODS, Key("default", "web-1"), "/registry/core/pods/default/web-1", id="core"),
        pytest.param(NODES, Key("", "n1"), "/registry/core/nodes/n1", id="cluster-scoped"),
        pytest.param(DEPLOYMENTS, Key("a", "b"), "/registry/apps/deployments/a/b", id="group"),
    ],
)
def test_key_and_back(resource, key, path):
    assert key_for(resource, key.namespace, key.name) == path
    assert parse_key(resource, path) == key


@pytest.mark.parametrize(
    ("resource", "namespace", "prefix"),
    [
        pytest.param(PODS, "", "/registry/core/pods/", id="all-namespaces"),
        pytest.param(PODS, "default", "/registry/core/pods/default/", id="one-namespace"),
        pytest.param(NODES, "", "/registry/core/nodes/", id="cluster-scoped"),
    ],
)
def test_prefix(resource, namespace, prefix):
    assert prefix_of(resource, namespace) == prefix


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        pytest.param(PODS, "/registry/core/pods/web-1", id="namespace-missing"),
        pytest.param(PODS, "/registry/core/pods/a/b/c", id="too-deep"),
        pytest.param(PODS, "/registry/core/pods//web-1", id="namespace-empty"),
        pytest.param(PODS, "/registry/apps/pods/a/b", id="another-group"),
        pytest.param(NODES, "/registry/core/nodes/a/b", id="namespace-on-cluster-scoped"),
        pytest.param(NODES, "/registry/core/nodes/", id="no-name"),
    ],
)
def test_not_a_key_of_the_resource(resource, path):
    with pytest.raises(ValueError, match="is not a key of"):
        parse_key(resource, path)
