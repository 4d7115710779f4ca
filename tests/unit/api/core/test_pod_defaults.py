"""Defaults of pods: what the answer to a create shows that the user did not write."""

import pytest

from api.codec.shapes import copy
from api.core.pod import defaults
from api.core.pod_defaults import default_template, pull_policy
from tests.unit.api.kinds_sample import full_pod, pod_body


def test_a_bare_pod_gets_every_default():
    spec = full_pod()["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
    }
    assert container == {
        "name": "web",
        "image": "nginx:1",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    }


def test_defaults_change_no_input_and_nothing_twice():
    body = pod_body(volumes=[{"name": "v"}], initContainers=[{"name": "i", "image": "a"}])
    before = copy(body)
    once = defaults(body)
    assert body == before
    assert defaults(once) is once


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param({"serviceAccountName": "a"}, "a", id="new-name"),
        pytest.param({"serviceAccount": "a"}, "a", id="old-name"),
        pytest.param({"serviceAccountName": "a", "serviceAccount": "b"}, "a", id="the-new-name-wins"),
        pytest.param({}, None, id="none"),
    ],
)
def test_both_names_of_the_service_account_agree(given, name):
    spec = full_pod(**given)["spec"]
    assert (spec.get("serviceAccountName"), spec.get("serviceAccount")) == (name, name)


def test_a_template_is_not_a_pod():
    spec = default_template({"spec": pod_body()["spec"]})["spec"]
    assert "enableServiceLinks" not in spec
    limited = {"containers": [{"name": "a", "image": "b", "resources": {"limits": {"cpu": "1"}}}]}
    assert "requests" not in default_template({"spec": limited})["spec"]["containers"][0]["resources"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        pytest.param("nginx", "Always", id="no-tag"),
        pytest.param("nginx:latest", "Always", id="latest"),
        pytest.param("nginx:1.25", "IfNotPresent", id="tag"),
        pytest.param("registry:5000/nginx", "Always", id="a-port-is-no-tag"),
        pytest.param("registry:5000/nginx:1", "IfNotPresent", id="port-and-tag"),
        pytest.param("nginx@sha256:abc", "IfNotPresent", id="digest"),
        pytest.param("nginx:latest@sha256:abc", "IfNotPresent", id="a-digest-wins"),
    ],
)
def test_pull_policy(image, policy):
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("container", "field", "value"),
    [
        pytest.param(
            {"livenessProbe": {"httpGet": {"port": 80}}},
            "livenessProbe",
            {
                "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            },
            id="probe",
        ),
        pytest.param(
            {"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]},
            "ports",
            [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
            id="ports",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            "env",
            [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
            id="field-ref",
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}},
            "resources",
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
            id="requests-follow-limits",
        ),
        pytest.param(
            {"lifecycle": {"preStop": {"httpGet": {"port": 1, "path": "/stop"}}}},
            "lifecycle",
            {"preStop": {"httpGet": {"port": 1, "path": "/stop", "scheme": "HTTP"}}},
            id="hook",
        ),
    ],
)
def test_container_defaults(container, field, value):
    pod = pod_body(containers=[{"name": "a", "image": "b:1", **container}])
    assert defaults(pod)["spec"]["containers"][0][field] == value


@pytest.mark.parametrize(
    ("volume", "made"),
    [
        pytest.param({}, {"emptyDir": {}}, id="no-source"),
        pytest.param(
            {"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}, id="secret"
        ),
        pytest.param({"hostPath": {"path": "/"}}, {"hostPath": {"path": "/", "type": ""}}, id="host-path"),
        pytest.param(
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                    "defaultMode": 420,
                }
            },
            id="token",
        ),
        pytest.param(
            {"image": {"reference": "a"}}, {"image": {"reference": "a", "pullPolicy": "Always"}}, id="image"
        ),
    ],
)
def test_volume_defaults(volume, made):
    pod = defaults(pod_body(volumes=[{"name": "v", **volume}]))
    assert pod["spec"]["volumes"] == [{"name": "v", **made}]


def test_host_network_takes_the_container_ports():
    ports = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 82}]
    pod = defaults(pod_body(hostNetwork=True, containers=[{"name": "a", "image": "b", "ports": ports}]))
    assert [port["hostPort"] for port in pod["spec"]["containers"][0]["ports"]] == [80, 82]


def test_pod_level_requests_follow_containers_and_then_the_pods_own_limits():
    container = {"name": "a", "image": "b", "resources": {"requests": {"cpu": "100m"}}}
    pod = defaults(pod_body(containers=[container], resources={"limits": {"cpu": "1", "memory": "1Gi"}}))
    assert pod["spec"]["resources"]["requests"] == {"cpu": "100m", "memory": "1Gi"}


def test_amounts_are_whole_thousandths():
    resources = {"limits": {"cpu": "100u", "memory": "1Gi"}, "requests": {"cpu": "1500u"}}
    made = defaults(pod_body(containers=[{"name": "c", "image": "i", "resources": resources}]))
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1m", "memory": "1Gi"},
        "requests": {"cpu": "2m", "memory": "1Gi"},
    }
