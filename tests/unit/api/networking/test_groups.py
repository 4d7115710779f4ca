"""Refusals of classes, addresses, ranges, policies and slices of endpoints, in upstream's words."""

from typing import Any

import pytest

from api.kinds import kind_of
from api.resource import Resource
from api.types import discovery_v1, networking_v1, policy_v1
from tests.unit.api.kinds_sample import texts

OF: dict[str, Resource[Any]] = {
    "ingress": networking_v1.INGRESSES,
    "class": networking_v1.INGRESSCLASSES,
    "address": networking_v1.IPADDRESSES,
    "cidr": networking_v1.SERVICECIDRS,
    "policy": networking_v1.NETWORKPOLICIES,
    "slice": discovery_v1.ENDPOINTSLICES,
    "budget": policy_v1.PODDISRUPTIONBUDGETS,
}


def obj(kind, body, name="x"):
    scope = {"namespace": "d"} if OF[kind].namespaced else {}
    return {"metadata": {"name": name, "resourceVersion": "1", **scope}, **body}


def parameters(**fields):
    given = {"kind": "K", "name": "n", "scope": "Cluster", **fields}
    return {"spec": {"controller": "a.io/b", "parameters": given}}


def port(**fields):
    return {"spec": {"podSelector": {}, "ingress": [{"ports": [fields]}]}}


def endpoint(**fields):
    return {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], **fields}]}


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        pytest.param("class", {"spec": {}}, ["spec.controller: Required value"], id="no-controller"),
        pytest.param(
            "class",
            {"spec": {"controller": "acme"}},
            [
                'spec.controller: Invalid value: "acme": must be a domain-prefixed path (such as '
                '"acme.io/foo")'
            ],
            id="controller",
        ),
        pytest.param(
            "class",
            {"spec": {"controller": "a.io/b c"}},
            ['spec.controller: Invalid value: "b c": Invalid path (regex used for validation is '],
            id="controller-path",
        ),
        pytest.param(
            "class",
            parameters(kind="", scope="World"),
            [
                "spec.parameters.kind: Required value: kind is required",
                'spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"',
            ],
            id="parameters",
        ),
        pytest.param(
            "class",
            parameters(namespace="n"),
            ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
            id="cluster-parameters",
        ),
        pytest.param(
            "class",
            parameters(scope="Namespace"),
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
            id="namespaced-parameters",
        ),
        pytest.param(
            "ingress",
            {"spec": {"defaultBackend": {"resource": {"apiGroup": "A", "kind": "K"}}}},
            [
                'spec.defaultBackend.resource.apiGroup: Invalid value: "A": a lowercase RFC 1123 subdomain',
                "spec.defaultBackend.resource.name: Required value: name is required",
            ],
            id="resource-backend",
        ),
        pytest.param(
            "cidr",
            {"spec": {"cidrs": ["10.0.0.1/24"]}},
            ['spec.cidrs[0]: Invalid value: "10.0.0.1/24": must be in canonical form ("10.0.0.0/24")'],
            id="host-bits",
        ),
        pytest.param(
            "cidr",
            {"spec": {"cidrs": ["10.0.0.0/24", "10.1.0.0/24"]}},
            ["spec.cidrs: Invalid value: "],
            id="one-family",
        ),
        pytest.param(
            "policy",
            port(port=80, endPort=70),
            ["spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"],
            id="end-before-begin",
        ),
        pytest.param(
            "policy",
            port(port=80, endPort=70000),
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 70000: must be between 1 and 65535, "
                "inclusive"
            ],
            id="end-too-large",
        ),
        pytest.param(
            "slice",
            endpoint(hints={"forZones": [{"name": "a"}, {"name": "a"}], "forNodes": [{"name": "A"}]}),
            [
                'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
                'endpoints[0].hints.forNodes[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain',
            ],
            id="hints",
        ),
        pytest.param(
            "slice",
            endpoint(hints={"forZones": [{"name": f"z{n}"} for n in range(9)]}),
            ["endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"],
            id="many-hints",
        ),
        pytest.param(
            "slice",
            {"addressType": "FQDN", "endpoints": [{"addresses": ["host", "a.example.com."]}]},
            [
                'endpoints[0].addresses[0]: Invalid value: "host": should be a domain with at least two '
                "segments separated by dots"
            ],
            id="domain",
        ),
    ],
)
def test_validate(kind, body, expected):
    found = texts(kind_of(OF[kind]).validate(obj(kind, body)))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


PARENT = {"resource": "services", "name": "s", "namespace": "d"}


@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        pytest.param("10.0.0.1", PARENT, [], id="v4"),
        pytest.param("2001:db8::1", PARENT, [], id="v6"),
        pytest.param(
            "2001:DB8::1",
            PARENT,
            ['metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")'],
            id="uppercase",
        ),
        pytest.param(
            "10.0.0.1",
            {"group": "A", "resource": "a/b"},
            [
                'spec.parentRef.group: Invalid value: "A": a lowercase RFC 1123 subdomain',
                "spec.parentRef.resource: Invalid value: \"a/b\": may not contain '/'",
                "spec.parentRef.name: Required value",
            ],
            id="parent",
        ),
    ],
)
def test_addresses(name, parent, expected):
    found = texts(kind_of(OF["address"]).validate(obj("address", {"spec": {"parentRef": parent}}, name)))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(["10.0.0.0/24"], ["10.0.0.0/24"], [], id="same"),
        pytest.param(["10.0.0.0/24"], ["10.0.0.0/24", "2001:db8::/64"], [], id="second-family"),
        pytest.param(
            ["10.0.0.0/24"],
            ["10.1.0.0/24"],
            ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable'],
            id="other",
        ),
        pytest.param(
            ["10.0.0.0/24", "2001:db8::/64"],
            ["10.0.0.0/24"],
            ['spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable'],
            id="less",
        ),
    ],
)
def test_ranges_grow_only(old, new, expected):
    before, after = (obj("cidr", {"spec": {"cidrs": cidrs}}) for cidrs in (old, new))
    assert texts(kind_of(OF["cidr"]).validate_update(after, before)) == expected


def test_statuses():
    old = obj("ingress", {})
    status = {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}}
    assert texts(kind_of(OF["ingress"]).validate_status({**old, "status": status}, old)) == [
        'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP '
        "address"
    ]
    budget = obj("budget", {"status": {"conditions": [{"type": "x", "status": "True", "reason": "R"}]}})
    assert texts(kind_of(OF["budget"]).validate_status(budget, old)) == [
        "status.conditions[0].lastTransitionTime: Required value: must be set"
    ]
