"""APIServices are refused in upstream's words."""

import pytest

from api.apiregistration import apiservice

SERVICE = {"namespace": "ns", "name": "svc"}


def service(name="v1.g.example.com", **spec):
    base = {"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200}
    return apiservice.defaults({"metadata": {"name": name}, "spec": {**base, **spec}})


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(service(), id="local"),
        pytest.param(service(service=SERVICE, caBundle="YQ=="), id="remote"),
        pytest.param(service("v1.", group=""), id="core"),
    ],
)
def test_good(obj):
    assert apiservice.validate(obj) == []


@pytest.mark.parametrize(
    ("obj", "wanted"),
    [
        pytest.param(
            service("x"),
            ['metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g.example.com"'],
            id="name",
        ),
        pytest.param(
            service("v2.", group="", version="v2"),
            ["spec.group: Required value: only v1 may have an empty group and it better be legacy kube"],
            id="no-group",
        ),
        pytest.param(
            service(groupPriorityMinimum=20001, versionPriority=0),
            [
                "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            ],
            id="priorities",
        ),
        pytest.param(
            service(caBundle="YWI=", insecureSkipTLSVerify=True),
            [
                'spec.caBundle: Invalid value: "2 bytes": local APIServices may not have a caBundle',
                "spec.insecureSkipTLSVerify: Invalid value: true: "
                "local APIServices may not have insecureSkipTLSVerify",
            ],
            id="local-with-tls",
        ),
        pytest.param(
            service(service={}, caBundle="YQ==", insecureSkipTLSVerify=True),
            [
                "spec.service.namespace: Required value",
                "spec.service.name: Required value",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ],
            id="remote",
        ),
    ],
)
def test_bad(obj, wanted):
    assert [str(error) for error in apiservice.validate(obj)] == wanted


def test_the_port_is_443_unless_said():
    assert service(service=SERVICE)["spec"]["service"]["port"] == 443


def test_conditions_are_true_false_or_unknown():
    obj = {**service(), "status": {"conditions": [{"type": "A", "status": "Maybe"}]}}
    obj["metadata"]["resourceVersion"] = "1"
    assert [str(error) for error in apiservice.validate_status(obj, obj)] == [
        'status.conditions[0].status: Unsupported value: "Maybe": '
        'supported values: "True", "False", "Unknown"'
    ]
