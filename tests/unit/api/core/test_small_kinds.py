"""Kinds of the core group with few rules: secrets, config maps, namespaces, nodes, limit ranges, claims."""

import pytest

from api.core import configmap, limitrange, namespace, node, replicationcontroller, resourcequota, secret
from api.core import event as events
from api.kinds import kind_of
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from tests.unit.api.kinds_sample import template, texts

META = {"name": "x", "namespace": "d", "resourceVersion": "1"}


def test_string_data_is_written_never_read():
    made = secret.defaults({"metadata": META, "stringData": {"a": "b"}, "data": {"a": "eA==", "c": "eQ=="}})
    assert made == {"metadata": META, "type": "Opaque", "data": {"a": "Yg==", "c": "eQ=="}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"type": "Opaque"}, [], id="opaque"),
        pytest.param(
            {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
            ["data[tls.key]: Required value"],
            id="tls",
        ),
        pytest.param(
            {"type": "kubernetes.io/service-account-token"},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            id="token",
        ),
        pytest.param(
            {"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}},
            ["data[ssh-privatekey]: Required value"],
            id="ssh",
        ),
        pytest.param(
            {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "Ym9ndXM="}},
            [
                "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'b' "
                "looking for beginning of value"
            ],
            id="no-json",
        ),
        pytest.param(
            {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}},
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot '
                "unmarshal "
                "array into Go value of type map[string]interface {}"
            ],
            id="no-object",
        ),
        pytest.param(
            {"data": {"": "eA=="}},
            [
                'data[]: Invalid value: "": a valid config key must consist of alphanumeric '
                "characters, '-', '_' or "
                "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')"
            ],
            id="empty-key",
        ),
    ],
)
def test_secret(body, expected):
    assert texts(secret.validate({"metadata": META, **body})) == expected


def test_an_immutable_configmap_stays():
    old = {"metadata": META, "data": {"a": "1"}, "immutable": True}
    same = {**old, "metadata": {**META, "labels": {"a": "b"}}}
    assert configmap.validate_update(same, old) == []
    assert texts(configmap.validate_update({"metadata": META, "data": {"a": "2"}}, old)) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_a_namespace_bears_its_name_as_a_label():
    made = namespace.defaults({"metadata": {"name": "a"}})
    assert made == {
        "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "a"}},
        "status": {"phase": "Active"},
    }
    assert namespace.defaults(made) is made


def test_allocatable_follows_capacity():
    made = node.defaults({"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1"}}})
    assert made["status"]["allocatable"] == {"cpu": "1"}


def test_the_pod_cidr_of_a_node_is_set_once():
    old = {"metadata": {"name": "n", "resourceVersion": "1"}, "spec": {"podCIDRs": ["10.0.0.0/24"]}}
    new = {**old, "spec": {"podCIDRs": ["10.0.1.0/24"]}}
    assert texts(node.validate_update(new, old)) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]
    assert node.validate_update(old, {**old, "spec": {}}) == []


def test_limits_follow_from_each_other():
    item = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}, "default": {"memory": "1Gi"}}
    made = limitrange.defaults({"metadata": META, "spec": {"limits": [item]}})["spec"]["limits"][0]
    assert made["default"] == {"cpu": "2", "memory": "1Gi"}
    assert made["defaultRequest"] == {"cpu": "2", "memory": "1Gi"}


def test_a_minimum_above_a_maximum_is_refused():
    item = {"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}
    errors = limitrange.validate({"metadata": META, "spec": {"limits": [item]}})
    assert texts(errors) == [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'
    ]


def test_the_selector_of_a_replicationcontroller_comes_from_its_template():
    made = replicationcontroller.defaults({"metadata": META, "spec": {"template": template()}})
    assert made["spec"]["selector"] == {"app": "web"}
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["spec"]["replicas"] == 1
    assert replicationcontroller.validate(made) == []


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        pytest.param({"pods": "5", "requests.cpu": "500m", "count/replicasets.apps": "5"}, [], id="fine"),
        pytest.param(
            {"gold.storageclass.storage.k8s.io/requests.storage": "10Gi"}, [], id="by-storage-class"
        ),
        pytest.param(
            {"pods": "500m"}, ['spec.hard[pods]: Invalid value: "500m": must be an integer'], id="half"
        ),
        pytest.param(
            {"disk": "1"},
            [
                'spec.hard[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
                'spec.hard[disk]: Invalid value: "disk": must be a standard resource for quota',
            ],
            id="unknown",
        ),
    ],
)
def test_quota(hard, expected):
    assert texts(resourcequota.validate({"metadata": META, "spec": {"hard": hard}})) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param({"involvedObject": {"namespace": "d"}}, [], id="core"),
        pytest.param(
            {"involvedObject": {"namespace": "other"}},
            ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
            id="elsewhere",
        ),
        pytest.param(
            {
                "apiVersion": "events.k8s.io/v1",
                "regarding": {"namespace": "d"},
                "eventTime": "2026-01-01T00:00:00Z",
                "reportingController": "c",
            },
            [
                "reportingInstance: Required value",
                "action: Required value",
                "reason: Required value",
                'type: Invalid value: "": has invalid value: ',
            ],
            id="new-without-anything",
        ),
    ],
)
def test_event(event, expected):
    assert texts(events.validate({"metadata": META, **event})) == expected


def test_a_new_claim_is_pending():
    assert kind_of(PERSISTENTVOLUMECLAIMS).new_status() == {"phase": "Pending"}
