"""Services: defaults by type, validation, and what stays."""

from typing import Any

import pytest

from api.core.service import defaults, validate, validate_update
from api.resource import Obj
from tests.unit.api.kinds_sample import texts


def service(**spec: Any) -> Obj:
    return defaults({"metadata": {"name": "s", "namespace": "d"}, "spec": {"ports": [{"port": 80}], **spec}})


BASE = {
    "type": "ClusterIP",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
}


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        pytest.param({}, BASE, id="cluster-ip"),
        pytest.param(
            {"type": "NodePort"},
            {**BASE, "type": "NodePort", "externalTrafficPolicy": "Cluster"},
            id="node-port",
        ),
        pytest.param(
            {"type": "LoadBalancer"},
            {
                **BASE,
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Cluster",
                "allocateLoadBalancerNodePorts": True,
            },
            id="load-balancer",
        ),
        pytest.param(
            {"sessionAffinity": "ClientIP"},
            {
                **BASE,
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
            },
            id="affinity",
        ),
        pytest.param(
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, BASE, id="no-affinity-no-config"
        ),
        pytest.param(
            {"type": "ExternalName", "externalName": "a.b", "ports": []},
            {"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None", "ports": []},
            id="external-name",
        ),
    ],
)
def test_defaults(spec, made):
    assert service(**spec)["spec"] == made


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param({"ports": []}, ["spec.ports: Required value"], id="no-ports"),
        pytest.param(
            {"ports": [], "clusterIP": "None", "clusterIPs": ["None"]}, [], id="headless-needs-none"
        ),
        pytest.param(
            {"ports": [{"port": 1}, {"port": 2, "name": "b"}]},
            ["spec.ports[0].name: Required value"],
            id="several-ports-have-names",
        ),
        pytest.param(
            {"ports": [{"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}]},
            [],
            id="one-number-two-protocols",
        ),
        pytest.param(
            {"type": "What"},
            [
                'spec.type: Unsupported value: "What": supported values: '
                '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
            ],
            id="type",
        ),
        pytest.param(
            {"ports": [{"port": 80, "nodePort": 30000}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
            id="node-port-of-a-cluster-ip",
        ),
        pytest.param(
            {"type": "ExternalName", "ports": []},
            ["spec.externalName: Required value"],
            id="no-external-name",
        ),
        pytest.param(
            {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.2"]},
            ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
            id="addresses-disagree",
        ),
        pytest.param(
            {"ports": [{"port": 80, "targetPort": "no_port"}]},
            [
                'spec.ports[0].targetPort: Invalid value: "no_port": must contain only alpha-numeric '
                "characters "
                "(a-z, 0-9), and hyphens (-)"
            ],
            id="target-port",
        ),
    ],
)
def test_validate(spec, expected):
    assert texts(validate(service(**spec))) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}, [], id="same"),
        pytest.param(
            {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]},
            ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
            id="other",
        ),
        pytest.param({"type": "ExternalName", "externalName": "a.b"}, [], id="to-external-name"),
    ],
)
def test_the_first_address_stays(after, expected):
    old = service(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])
    old["metadata"]["resourceVersion"] = "1"
    new = {**old, "spec": service(**after)["spec"]}
    assert texts(validate_update(new, old)) == expected
