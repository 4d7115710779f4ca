"""Environment of containers: order, references, expansion, service variables."""

import base64
from typing import Any

import pytest

from nodeagent.pod.downward import Facts
from nodeagent.pod.env import ConfigError, EnvSources, container_env, expand, expand_strictly, service_env

CONFIG = {"metadata": {"name": "c"}, "data": {"data-1": "value-1", "plain": "p"}}
SECRET = {"metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"line\n").decode()}}
FACTS = Facts(("10.1.0.5", "fd00::5"), ("192.168.0.2",), {"cpu": "2", "memory": "4Gi"})
KUBERNETES: dict[str, Any] = {
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "protocol": "TCP"}]},
}
FOO: dict[str, Any] = {
    "metadata": {"name": "foo-service", "namespace": "ns"},
    "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 8765, "targetPort": 8080}]},
}
HEADLESS = {
    "metadata": {"name": "h", "namespace": "ns"},
    "spec": {"clusterIP": "None", "ports": [{"port": 1}]},
}


def new_pod(**spec):
    metadata = {
        "name": "p",
        "namespace": "ns",
        "uid": "u1",
        "labels": {"b": "2", "a": 'x"y'},
        "annotations": {"an": "note"},
    }
    return {"metadata": metadata, "spec": {"nodeName": "n1", "serviceAccountName": "sa", **spec}}


def env_of(container, services=(), **spec):
    sources = EnvSources({"c": CONFIG}, {"s": SECRET}, services, FACTS)
    container = {"name": "main", **container}
    return dict(container_env(new_pod(containers=[container], **spec), container, sources))


def field(path):
    return {"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}


def resource(name, resources=None, divisor=None):
    ref = {"resource": name} | ({"divisor": divisor} if divisor else {})
    return {
        "resources": resources or {},
        "env": [{"name": "X", "valueFrom": {"resourceFieldRef": ref}}],
    }


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({"env": [{"name": "A", "value": "1"}]}, {"A": "1"}, id="plain"),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$$(A)-$(NO)"}]},
            {"A": "1", "B": "1-$(A)-$(NO)"},
            id="a-variable-uses-one-before-it",
        ),
        pytest.param(
            {"envFrom": [{"prefix": "p-", "configMapRef": {"name": "c"}}]},
            {"p-data-1": "value-1", "p-plain": "p"},
            id="env-from-passes-any-name-through",
        ),
        pytest.param(
            {
                "envFrom": [{"configMapRef": {"name": "c"}}],
                "env": [{"name": "plain", "value": "mine"}, {"name": "U", "value": "$(data-1)"}],
            },
            {"data-1": "value-1", "plain": "mine", "U": "value-1"},
            id="env-wins-over-env-from-and-may-use-it",
        ),
        pytest.param({"envFrom": [{"secretRef": {"name": "s"}}]}, {"k": "line\n"}, id="secret-verbatim"),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "no", "optional": True}}]}, {}, id="optional-source-missing"
        ),
        pytest.param(
            {
                "env": [
                    {
                        "name": "A",
                        "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": True}},
                    }
                ]
            },
            {},
            id="optional-key-missing",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            {"A": "line\n"},
            id="secret-key",
        ),
        pytest.param({"env": [{"name": "A", "value": ""}]}, {"A": ""}, id="empty-value"),
        pytest.param(field("metadata.labels['b']"), {"X": "2"}, id="label"),
        pytest.param(field("metadata.annotations['gone']"), {"X": ""}, id="absent-annotation-is-empty"),
        pytest.param(field("metadata.labels"), {"X": 'a="x\\"y"\nb="2"'}, id="labels-sorted-and-quoted"),
        pytest.param(field("status.podIP"), {"X": "10.1.0.5"}, id="pod-ip"),
        pytest.param(field("status.podIPs"), {"X": "10.1.0.5,fd00::5"}, id="pod-ips"),
        pytest.param(field("status.hostIP"), {"X": "192.168.0.2"}, id="host-ip"),
        pytest.param(field("spec.nodeName"), {"X": "n1"}, id="node-name"),
        pytest.param(
            resource("limits.cpu", {"limits": {"cpu": "1250m"}}), {"X": "2"}, id="cpu-limit-rounds-up"
        ),
        pytest.param(
            resource("requests.cpu", {"requests": {"cpu": "250m"}}), {"X": "1"}, id="cpu-request-rounds-up"
        ),
        pytest.param(
            resource("requests.cpu", {"requests": {"cpu": "250m"}}, "1m"), {"X": "250"}, id="divisor"
        ),
        pytest.param(
            resource("limits.memory", {"limits": {"memory": "64Mi"}}), {"X": "67108864"}, id="memory"
        ),
        pytest.param(resource("limits.memory"), {"X": "4294967296"}, id="unset-limit-is-allocatable"),
        pytest.param(resource("requests.memory"), {"X": "0"}, id="unset-request-is-nothing"),
    ],
)
def test_environment(container, expected):
    assert env_of(container) == expected


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "no"}}]}, 'configmap "no" not found', id="configmap"
        ),
        pytest.param({"envFrom": [{"secretRef": {"name": "no"}}]}, 'secret "no" not found', id="secret"),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no"}}}]},
            "couldn't find key no in ConfigMap ns/c",
            id="configmap-key",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "no"}}}]},
            "couldn't find key no in Secret ns/s",
            id="secret-key",
        ),
        pytest.param(field("spec.hostname"), "unsupported fieldPath: spec.hostname", id="field-path"),
    ],
)
def test_refusals(container, message):
    with pytest.raises(ConfigError) as error:
        env_of(container)
    assert error.value.message == message


def test_service_variables():
    env = env_of({}, (KUBERNETES, FOO, HEADLESS))
    assert env["FOO_SERVICE_SERVICE_HOST"] == "10.96.0.9"
    assert env["FOO_SERVICE_SERVICE_PORT"] == "8765"
    assert env["FOO_SERVICE_PORT"] == "tcp://10.96.0.9:8765"
    assert env["FOO_SERVICE_PORT_8765_TCP"] == "tcp://10.96.0.9:8765"
    assert env["FOO_SERVICE_PORT_8765_TCP_PROTO"] == "tcp"
    assert env["FOO_SERVICE_PORT_8765_TCP_PORT"] == "8765"
    assert env["FOO_SERVICE_PORT_8765_TCP_ADDR"] == "10.96.0.9"
    assert env["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in env if name.startswith("H_")]


def test_without_links_only_the_api_server_is_told():
    env = env_of({}, (KUBERNETES, FOO), enableServiceLinks=False)
    assert "KUBERNETES_SERVICE_HOST" in env
    assert "FOO_SERVICE_SERVICE_HOST" not in env


def test_own_service_named_kubernetes_wins():
    own = {"metadata": {"name": "kubernetes", "namespace": "ns"}, "spec": {**FOO["spec"]}}
    for services in ([own, KUBERNETES], [KUBERNETES, own]):
        assert service_env("ns", services, True)["KUBERNETES_SERVICE_HOST"] == "10.96.0.9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$(A)$(B)", "ab", id="two"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$a", id="escaped-dollar-before-a-reference"),
        pytest.param("$(A", "$(A", id="unclosed"),
        pytest.param("$A ${A} $", "$A ${A} $", id="shell-syntax-is-left-alone"),
        pytest.param("$$(dig x)", "$(dig x)", id="for-the-shell"),
    ],
)
def test_expand(text, expected):
    assert expand(text, {"A": "a", "B": "b"}) == expected


def test_expand_strictly():
    assert expand_strictly("x/$(A)/$$(B)", {"A": "a"}) == "x/a/$(B)"
    with pytest.raises(ConfigError, match="missing value for B, C"):
        expand_strictly("$(C)$(B)$(A)", {"A": "a", "C": ""})
