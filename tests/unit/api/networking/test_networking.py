"""Ingresses, network policies, addresses and other kinds of networking; EndpointSlices, Leases."""

import pytest

from api.coordination import lease
from api.discovery import endpointslice
from api.networking import ingress, ipaddress, networkpolicy, servicecidr
from tests.unit.api.kinds_sample import texts

META = {"name": "x", "namespace": "d", "resourceVersion": "1"}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def rule(**path):
    return {"http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": BACKEND, **path}]}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"defaultBackend": BACKEND}, [], id="default-backend"),
        pytest.param({"rules": [{"host": "a.example", **rule()}]}, [], id="rule"),
        pytest.param(
            {},
            ["spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"],
            id="nothing",
        ),
        pytest.param(
            {"rules": [rule(path="a")]},
            ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
            id="relative-path",
        ),
        pytest.param(
            {"rules": [rule(pathType=None)]},
            ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
            id="no-path-type",
        ),
        pytest.param(
            {"rules": [{"host": "10.0.0.1"}]},
            ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
            id="address-as-host",
        ),
        pytest.param(
            {"defaultBackend": {"service": {"name": "web"}}},
            ["spec.defaultBackend: Required value: port name or number is required"],
            id="no-port",
        ),
    ],
)
def test_ingress(spec, expected):
    assert texts(ingress.validate({"metadata": META, "spec": spec})) == expected


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        pytest.param({}, ["Ingress"], id="ingress-always"),
        pytest.param({"egress": [{}]}, ["Ingress", "Egress"], id="egress-if-there"),
        pytest.param({"policyTypes": ["Egress"]}, ["Egress"], id="given"),
    ],
)
def test_policy_types(spec, types):
    made = networkpolicy.defaults({"metadata": META, "spec": spec})
    assert made["spec"]["policyTypes"] == types
    assert networkpolicy.validate(made) == []


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        pytest.param({"podSelector": {}}, [], id="pods"),
        pytest.param({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, [], id="block"),
        pytest.param(
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}},
            ['ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
            id="outside",
        ),
        pytest.param({}, ["Required value: must specify a peer"], id="nothing"),
    ],
)
def test_network_policy_peers(peer, expected):
    obj = {"metadata": META, "spec": {"podSelector": {}, "ingress": [{"from": [peer]}]}}
    errors = [text.removeprefix("spec.ingress[0].from[0]") for text in texts(networkpolicy.validate(obj))]
    assert [text.lstrip(".: ") for text in errors] == expected


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        pytest.param("255.255.255.255", True, id="v4"),
        pytest.param("fe80::42:1dff:fe84:f9e2", True, id="v6"),
        pytest.param("::0001", False, id="not-canonical"),
        pytest.param("web", False, id="no-address"),
    ],
)
def test_ip_address_names(name, fine):
    parent = {"parentRef": {"resource": "services", "name": "s"}}
    assert (ipaddress.validate({"metadata": {"name": name}, "spec": parent}) == []) is fine


def test_service_cidrs_hold_one_range_a_family():
    assert (
        servicecidr.validate({"metadata": {"name": "k"}, "spec": {"cidrs": ["10.0.0.0/8", "fd00::/108"]}})
        == []
    )
    two = {"metadata": {"name": "k"}, "spec": {"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}}
    assert "no more than one IP for each IP family" in texts(servicecidr.validate(two))[0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"]}]}, [], id="fine"),
        pytest.param(
            {"endpoints": [{"addresses": []}]},
            ["endpoints[0].addresses: Required value: must contain at least 1 address"],
            id="no-address",
        ),
        pytest.param(
            {"endpoints": [{"addresses": ["fd00::1"]}]},
            ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address'],
            id="family",
        ),
        pytest.param(
            {"endpoints": [{"addresses": ["127.0.0.1"]}]},
            [
                'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range '
                "(127.0.0.0/8, ::1/128)"
            ],
            id="loopback",
        ),
        pytest.param(
            {"endpoints": [], "ports": [{"port": 1}, {"port": 2}]},
            ['ports[1].name: Duplicate value: ""'],
            id="two-nameless-ports",
        ),
    ],
)
def test_endpointslice(body, expected):
    made = endpointslice.defaults({"metadata": META, "addressType": "IPv4", **body})
    assert texts(endpointslice.validate(made)) == expected


def test_a_lease_lasts_longer_than_nothing():
    bad = {"metadata": META, "spec": {"leaseDurationSeconds": 0}}
    assert texts(lease.validate(bad)) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    ]
    fine = {"metadata": META, "spec": {"renewTime": "0001-01-01T00:00:02.000000Z", "leaseDurationSeconds": 1}}
    assert lease.validate(fine) == []
