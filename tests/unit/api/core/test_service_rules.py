"""Services: addresses of two families, load balancers, traffic policies, and what an update may change."""

import pytest

from api.core.service import defaults, validate, validate_status_update, validate_update
from tests.unit.api.kinds_sample import texts

RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def service(annotations=None, **spec):
    metadata = {"name": "s", "namespace": "d", "resourceVersion": "1"}
    if annotations:
        metadata["annotations"] = annotations
    return defaults({"metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}})


def addressed(*addresses, families=(), **spec):
    return service(
        clusterIP=addresses[0] if addresses else "",
        clusterIPs=list(addresses),
        ipFamilies=list(families),
        **spec,
    )


LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            addressed("None", "10.0.0.1"),
            [
                'spec.clusterIPs: Invalid value: ["None","10.0.0.1"]: \'None\' must be the first and only '
                "value"
            ],
            id="headless-and-not",
        ),
        pytest.param(
            addressed("10.0.0.1", "10.0.0.2"),
            [
                'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP '
                "for each IP "
                "family"
            ],
            id="one-family-twice",
        ),
        pytest.param(
            addressed("10.0.0.1", families=["IPv6"]),
            [
                'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by '
                "`ipFamilies[0]`"
            ],
            id="other-family",
        ),
        pytest.param(
            addressed(families=["IPv4", "IPv4"]),
            ['spec.ipFamilies[1]: Duplicate value: "IPv4"'],
            id="family-twice",
        ),
        pytest.param(
            service(ipFamilyPolicy="Odd"),
            [
                'spec.ipFamilyPolicy: Unsupported value: "Odd": supported values: "PreferDualStack", '
                '"RequireDualStack", "SingleStack"'
            ],
            id="policy",
        ),
        pytest.param(
            service(type="ExternalName", externalName="a.b.", ports=[], ipFamilies=["IPv4"]),
            ["spec.ipFamilies: Forbidden: may not be set for ExternalName services"],
            id="external-name",
        ),
        pytest.param(
            service(loadBalancerSourceRanges=["x"]),
            [
                "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
                'spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. '
                "10.9.8.0/24 or 2001:db8::/64)",
            ],
            id="ranges",
        ),
        pytest.param(
            service({RANGES: "x"}, type="LoadBalancer"),
            [
                f'metadata.annotations[{RANGES}]: Invalid value: "x": must be a valid CIDR value, (e.g. '
                f"10.9.8.0/24 or "
                "2001:db8::/64)"
            ],
            id="ranges-in-an-annotation",
        ),
        pytest.param(
            service(
                {
                    "service.kubernetes.io/topology-aware-hints": "a",
                    "service.kubernetes.io/topology-mode": "b",
                }
            ),
            [
                'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "b": must match '
                "annotations[service.kubernetes.io/topology-aware-hints] when both are specified"
            ],
            id="topology",
        ),
        pytest.param(
            service(loadBalancerClass="a"),
            ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
            id="class",
        ),
        pytest.param(service(**LOCAL), ["spec.healthCheckNodePort: Required value"], id="health"),
        pytest.param(
            service(**LOCAL, healthCheckNodePort=70000),
            ["spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
            id="health-port",
        ),
        pytest.param(
            service(trafficDistribution="Odd"),
            [
                'spec.trafficDistribution: Unsupported value: "Odd": supported values: "PreferClose", '
                '"PreferSameNode", "PreferSameZone"'
            ],
            id="distribution",
        ),
        pytest.param(
            service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}),
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater "
                "than 0 and less "
                "than 86400"
            ],
            id="affinity",
        ),
        pytest.param(
            service(ports=[{"port": 80, "name": "a", "appProtocol": ""}, {"port": 80, "name": "a"}]),
            [
                'spec.ports[0].appProtocol: Invalid value: "": name part must be non-empty',
                'spec.ports[0].appProtocol: Invalid value: "": name part must consist of alphanumeric '
                "characters, "
                "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
                "'my.name',  or '123-abc', regex used for validation is "
                "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                'spec.ports[1].name: Duplicate value: "a"',
                'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}',
            ],
            id="ports",
        ),
    ],
)
def test_validate(obj, expected):
    assert texts(validate(obj)) == expected


DUAL = ("10.0.0.1", "fd00::1")
FAMILIES = ("IPv4", "IPv6")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            addressed("10.0.0.1", families=["IPv4"]),
            addressed(*DUAL, families=FAMILIES),
            [],
            id="a-second-address",
        ),
        pytest.param(
            addressed(*DUAL, families=FAMILIES, ipFamilyPolicy="PreferDualStack"),
            addressed("10.0.0.1", families=["IPv4"], ipFamilyPolicy="PreferDualStack"),
            [
                "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' "
                "when releasing "
                "the secondary clusterIP",
                "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' "
                "when releasing "
                "the secondary ipFamily",
            ],
            id="released-without-saying-so",
        ),
        pytest.param(
            addressed(*DUAL, families=FAMILIES),
            addressed("10.0.0.1", families=["IPv4"], ipFamilyPolicy="SingleStack"),
            [],
            id="released",
        ),
        pytest.param(
            addressed("10.0.0.1"),
            addressed(),
            ["spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"],
            id="unset",
        ),
        pytest.param(
            service(**LOCAL, healthCheckNodePort=30001),
            service(**LOCAL, healthCheckNodePort=30002),
            ["spec.healthCheckNodePort: Forbidden: field is immutable"],
            id="health-port",
        ),
        pytest.param(
            service(type="LoadBalancer", loadBalancerClass="a.b/c"),
            service(type="LoadBalancer"),
            ['spec.loadBalancerClass: Invalid value: "null": may not change once set'],
            id="class",
        ),
    ],
)
def test_update(old, new, expected):
    assert texts(validate_update(new, old)) == expected


@pytest.mark.parametrize(
    ("kind", "ingress", "expected"),
    [
        pytest.param(
            "ClusterIP",
            {"ip": "1.1.1.1"},
            ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
            id="not-balanced",
        ),
        pytest.param(
            "LoadBalancer",
            {"ip": "1.1.1.1"},
            ["status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set"],
            id="no-mode",
        ),
        pytest.param(
            "LoadBalancer",
            {"hostname": "1.1.1.1"},
            [
                'status.loadBalancer.ingress[0].hostname: Invalid value: "1.1.1.1": must be a DNS name, '
                "not an IP "
                "address"
            ],
            id="address-as-name",
        ),
    ],
)
def test_status(kind, ingress, expected):
    old = service(type=kind)
    new = {**old, "status": {"loadBalancer": {"ingress": [ingress]}}}
    assert texts(validate_status_update(new, old)) == expected
