"""Further refusals of the kinds of other groups: limits, and values that are rarely wrong."""

import base64
from typing import Any

import pytest

from api.certificates.pem import certificate_fault, common_names, organizations, request_fault
from api.certificates.signername import signer_name_errors
from api.field import Path
from api.kinds import kind_of
from api.resource import Resource
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from api.types.discovery_v1 import ENDPOINTSLICES
from api.types.networking_v1 import INGRESSCLASSES, INGRESSES, NETWORKPOLICIES, SERVICECIDRS
from api.types.rbac_v1 import ROLEBINDINGS
from api.types.resource_v1 import RESOURCECLAIMS, RESOURCESLICES
from api.types.scheduling_v1 import PRIORITYCLASSES
from api.types.storage_v1 import CSIDRIVERS, STORAGECLASSES, VOLUMEATTACHMENTS
from tests.unit.api.kinds_sample import texts

LONG = "x" * 1000


def device(**fields: Any) -> dict[str, Any]:
    pool = {"name": "p", "resourceSliceCount": 1}
    devices = [{"name": "d", **fields}]
    return {"spec": {"driver": "d.io", "nodeName": "n", "pool": pool, "devices": devices}}


def capacity(value: Any = "10", **policy: Any) -> dict[str, Any]:
    return device(allowMultipleAllocations=True, capacity={"m": {"value": value, "requestPolicy": policy}})


def claim(*requests: Any, **devices: Any) -> dict[str, Any]:
    return {"spec": {"devices": {"requests": list(requests), **devices}}}


def wanted(name: str = "r", **fields: Any) -> dict[str, Any]:
    return {"name": name, "deviceClassName": "c", "allocationMode": "All", **fields}


def backend(**port: Any) -> dict[str, Any]:
    return {"spec": {"defaultBackend": {"service": {"name": "s", "port": port}}}}


def endpoints(kind: str, *addresses: str) -> dict[str, Any]:
    return {"addressType": kind, "endpoints": [{"addresses": list(addresses)}]}


DEV = "spec.devices[0]"
MEM = f"{DEV}.capacity[m].requestPolicy"
REQUEST = "spec.devices.requests[0]"


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        pytest.param(RESOURCESLICES, capacity(), [], id="policy-without-values"),
        pytest.param(
            RESOURCESLICES, capacity(validValues=["1", "2"], default="2"), [], id="policy-of-values"
        ),
        pytest.param(
            RESOURCESLICES, capacity(validRange={"min": "1"}, default="1"), [], id="policy-of-a-range"
        ),
        pytest.param(
            RESOURCESLICES,
            capacity(validRange={"min": "1", "step": "3"}, default="4"),
            [],
            id="policy-in-steps",
        ),
        pytest.param(
            RESOURCESLICES,
            capacity(validRange={"max": "3"}, default="1"),
            [f"{MEM}.validRange.min: Required value: required when validRange is defined"],
            id="range-without-min",
        ),
        pytest.param(
            RESOURCESLICES,
            capacity(validRange={"min": "2", "max": "1", "step": "0"}, default="1"),
            [
                f'{MEM}.validRange.default: Invalid value: "1": default is less than min: 2',
                f'{MEM}.validRange.max: Invalid value: "2": min is larger than max: 1',
                f'{MEM}.validRange.step: Invalid value: "0": must be greater than zero',
            ],
            id="range-upside-down",
        ),
        pytest.param(
            RESOURCESLICES,
            device(attributes={"a": {"ints": list(range(49))}}),
            [f"{DEV}: Invalid value: 49: the total number of attribute values must not exceed 48"],
            id="many-values",
        ),
        pytest.param(
            RESOURCESLICES,
            device(attributes={"a": {"string": "x" * 65}, "b": {"strings": []}, "a/b/c": {"int": 1}}),
            [
                f"{DEV}.attributes[a].string: Too long: may not be more than 64 bytes",
                f"{DEV}.attributes[b].strings: Invalid value: []: must not be empty if specified",
                f'{DEV}.attributes: Invalid value: "a/b/c": must not contain more than one slash',
            ],
            id="values",
        ),
        pytest.param(
            RESOURCESLICES,
            device(attributes={"d.io/": {"int": 1}}, capacity={"m": {"value": "1"}}),
            [f'{DEV}.attributes: Invalid value: "": the name must not be empty'],
            id="nameless-attribute",
        ),
        pytest.param(
            RESOURCESLICES,
            device(consumesCounters=[{"counterSet": "s", "counters": {f"c{n}": {} for n in range(33)}}]),
            [f"{DEV}.consumesCounters[0].counters: Too many: 33: must have at most 32 items"],
            id="many-counters",
        ),
        pytest.param(
            RESOURCECLAIMS,
            claim({"name": "r", "firstAvailable": [wanted("s"), wanted("s", deviceClassName="C")]}),
            [
                f'{REQUEST}.firstAvailable[1].deviceClassName: Invalid value: "C": a lowercase RFC 1123',
                f'{REQUEST}.firstAvailable[1]: Duplicate value: "s"',
            ],
            id="subrequests",
        ),
        pytest.param(
            RESOURCECLAIMS,
            claim(
                {"name": "r", "firstAvailable": [wanted("s")]},
                constraints=[{"requests": ["r/s", "r/t"], "distinctAttribute": "d.io/a"}],
            ),
            ['spec.devices.constraints[0].requests[1]: Invalid value: "r/t": must be the name of a request'],
            id="references-to-subrequests",
        ),
        pytest.param(
            RESOURCECLAIMS,
            claim({"name": "r", "exactly": wanted(tolerations=[{"key": "a b"}, {"operator": "Like"}])}),
            [
                f'{REQUEST}.exactly.tolerations[0].key: Invalid value: "a b": name part must consist of',
                f'{REQUEST}.exactly.tolerations[1].operator: Unsupported value: "Like": supported values: '
                '"Equal", "Exists"',
            ],
            id="tolerations",
        ),
        pytest.param(
            ENDPOINTSLICES,
            {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}] * 1001},
            ["endpoints: Too many: 1001: must have at most 1000 items"],
            id="many-endpoints",
        ),
        pytest.param(
            ENDPOINTSLICES,
            endpoints("IPv4", *(f"10.0.0.{n}" for n in range(1, 102))),
            ["endpoints[0].addresses: Too many: 101: must have at most 100 items"],
            id="many-addresses",
        ),
        pytest.param(
            ENDPOINTSLICES,
            endpoints("FQDN", "", "A.b"),
            [
                "endpoints[0].addresses[0]: Required value",
                'endpoints[0].addresses[1]: Invalid value: "A.b": a lowercase RFC 1123 subdomain',
            ],
            id="domains",
        ),
        pytest.param(
            ENDPOINTSLICES,
            {
                "addressType": "IPv4",
                "ports": [{"name": f"p{n}", "protocol": "TCP", "port": 1} for n in range(20001)],
            },
            ["ports: Too many: 20001: must have at most 20000 items"],
            id="many-ports",
        ),
        pytest.param(
            INGRESSES,
            backend(name="a", number=1),
            ['spec.defaultBackend: Invalid value: "": cannot set both port name & port number'],
            id="name-and-number",
        ),
        pytest.param(
            INGRESSES,
            backend(name="a_b"),
            ['spec.defaultBackend.service.port.name: Invalid value: "a_b": must contain only alpha-numeric'],
            id="port-name",
        ),
        pytest.param(
            INGRESSES,
            {
                "metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}},
                "spec": {**backend(number=80)["spec"], "ingressClassName": "b"},
            },
            [
                'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` '
                "when both are specified"
            ],
            id="two-classes",
        ),
        pytest.param(
            INGRESSES,
            {
                "spec": {
                    "rules": [
                        {
                            "http": {
                                "paths": [
                                    {
                                        "path": "a",
                                        "pathType": "ImplementationSpecific",
                                        "backend": backend(number=80)["spec"]["defaultBackend"],
                                    }
                                ]
                            }
                        }
                    ]
                }
            },
            ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
            id="relative-path",
        ),
        pytest.param(
            INGRESSCLASSES,
            {"spec": {"controller": f"a.io/{LONG}"}},
            ["spec.controller: Too long: may not be more than 250 bytes"],
            id="long-controller",
        ),
        pytest.param(
            INGRESSCLASSES,
            {
                "spec": {
                    "controller": "a.io/b",
                    "parameters": {"kind": "K", "name": "n", "scope": "Namespace", "namespace": "N"},
                }
            },
            ['spec.parameters.namespace: Invalid value: "N": a lowercase RFC 1123 label'],
            id="namespace-of-parameters",
        ),
        pytest.param(
            NETWORKPOLICIES,
            {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]}},
            ["spec.policyTypes: Invalid value: "],
            id="policy-types",
        ),
        pytest.param(
            SERVICECIDRS,
            {"spec": {"cidrs": ["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24"]}},
            ["spec.cidrs: Invalid value: "],
            id="three-ranges",
        ),
        pytest.param(
            ROLEBINDINGS,
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "ServiceAccount", "name": "a", "apiGroup": "x"}],
            },
            ['subjects[0].apiGroup: Unsupported value: "x": supported values: ""'],
            id="group-of-an-account",
        ),
        pytest.param(
            PRIORITYCLASSES,
            {"metadata": {"name": "system-mine"}, "value": 1},
            [
                "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
                "system use only. error: system-mine is not a known system priority class"
            ],
            id="system-priority",
        ),
        pytest.param(
            CSIDRIVERS,
            {"spec": {"tokenRequests": [{"expirationSeconds": (1 << 32) + 1}]}},
            [
                "spec.tokenRequests[0].expirationSeconds: Invalid value: 4294967297: may not specify a "
                "duration"
            ],
            id="long-token",
        ),
        pytest.param(
            STORAGECLASSES,
            {"provisioner": "p", "parameters": {"k": "v" * (1 << 18)}},
            ["parameters: Too long: may not be more than 262144 bytes"],
            id="large-parameters",
        ),
        pytest.param(
            STORAGECLASSES,
            {"provisioner": "p", "allowedTopologies": [{"matchLabelExpressions": [{"values": ["a"]}] * 2}]},
            [
                'allowedTopologies[0].matchLabelExpressions[0].key: Invalid value: "": name part must be',
                'allowedTopologies[0].matchLabelExpressions[0].key: Invalid value: "": name part must '
                "consist",
                'allowedTopologies[0].matchLabelExpressions[1].key: Invalid value: "": name part must be',
                'allowedTopologies[0].matchLabelExpressions[1].key: Invalid value: "": name part must '
                "consist",
                'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: ""',
            ],
            id="keyless-topologies",
        ),
        pytest.param(
            VOLUMEATTACHMENTS,
            {
                "spec": {"attacher": "a.io", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
                "status": {"attachmentMetadata": {"k": "v" * (1 << 18)}},
            },
            ["status.attachmentMetadata: Too long: may not be more than 262144 bytes"],
            id="large-attachment-metadata",
        ),
        pytest.param(
            CERTIFICATESIGNINGREQUESTS,
            {
                "spec": {
                    "request": "",
                    "usages": ["any", "any", "some"],
                    "signerName": "kubernetes.io/legacy-unknown",
                }
            },
            [
                'spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST',
                'spec.usages[1]: Duplicate value: "any"',
                'spec.usages[2]: Unsupported value: "some": supported values: "any", "cert sign"',
                'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is '
                "not allowed via this API version",
            ],
            id="certificate-request",
        ),
    ],
)
def test_validate(resource: Resource[Any], body: dict[str, Any], expected: list[str]) -> None:
    scope = {"namespace": "d"} if resource.namespaced else {}
    metadata = {"name": "x", **scope, **body.get("metadata", {})}
    rules = kind_of(resource)
    found = texts(rules.validate(rules.defaults({**body, "kind": resource.kind, "metadata": metadata})))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        pytest.param("example.com/a.b", [], id="fine"),
        pytest.param("", ["s: Required value"], id="empty"),
        pytest.param("a.b/c/d", ["s: Invalid value: "], id="two-slashes"),
        pytest.param(
            "example/a",
            ['s: Invalid value: "example": should be a domain with at least two segments separated by dots'],
            id="no-domain",
        ),
        pytest.param(
            "Example.com/A",
            [
                's: Invalid value: "Example.com": validating label "Example": a lowercase RFC 1123 label',
                's: Invalid value: "A": validating label "A": a lowercase RFC 1123 subdomain',
            ],
            id="uppercase",
        ),
        pytest.param(
            f"example.com/{'.'.join(['a' * 60] * 10)}",
            ["s: Too long: may not be more than 571 bytes"],
            id="long",
        ),
    ],
)
def test_signers(signer: str, expected: list[str]) -> None:
    found = texts(signer_name_errors(signer, Path("s")))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def block(kind: str, body: str) -> str:
    return encoded(f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")


@pytest.mark.parametrize(
    ("certificate", "fault"),
    [
        pytest.param("", "must contain at least one CERTIFICATE PEM block", id="nothing"),
        pytest.param("!", "must contain at least one CERTIFICATE PEM block", id="no-base64"),
        pytest.param(
            block("CERTIFICATE", "A: b\n\nAAAA"), "no PEM block headers are permitted", id="headers"
        ),
        pytest.param(
            block("EC PRIVATE KEY", "AAAA"),
            'only CERTIFICATE PEM blocks are allowed, found "EC PRIVATE KEY"',
            id="key",
        ),
        pytest.param(block("CERTIFICATE", "AAAA"), "x509: malformed certificate: ", id="malformed"),
    ],
)
def test_certificates(certificate: str, fault: str) -> None:
    assert certificate_fault(certificate).startswith(fault)


def test_requests() -> None:
    broken = block("CERTIFICATE REQUEST", "AAAA")
    assert request_fault(broken).startswith("asn1: structure error: ")
    assert common_names(broken) == organizations(broken) == []
