"""What is answered to which question."""

import ipaddress
from typing import Any

import pytest

from api.types.discovery_v1 import EndpointSlice
from clusterdns.answer import Alias, Outcome, Pointer, Text, Zone, resolve
from clusterdns.records import Address, Target

ZONE = Zone("cluster.local", (ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("10.128.0.0/16")))


def _service(name: str, **spec: Any) -> Any:
    ports = [{"name": "http", "protocol": "TCP", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}]
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": ports, **spec}}


def _endpoint(address: str, **more: Any) -> Any:
    return {"addresses": [address], **more}


WEB = _service("web", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])
DB = _service("db", clusterIP="None")
EAGER = _service("eager", clusterIP="None", publishNotReadyAddresses=True)
OUTSIDE = _service("outside", type="ExternalName", externalName="example.com")
INSIDE = _service("inside", type="ExternalName", externalName="web.shop.svc.cluster.local")
LOOP = _service("loop", type="ExternalName", externalName="loop.shop.svc.cluster.local")
DB_SLICE: EndpointSlice = {
    "metadata": {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
    "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    "endpoints": [
        _endpoint("10.128.0.5", hostname="db-0"),
        _endpoint("10.128.1.6"),
        _endpoint("10.128.2.7", conditions={"ready": False}),
    ],
}


class World:
    def __init__(self):
        self.services = {s["metadata"]["name"]: s for s in (WEB, DB, EAGER, OUTSIDE, INSIDE, LOOP)}

    def service(self, namespace, name):
        return self.services.get(name) if namespace == "shop" else None

    def slices(self, namespace, service):
        return [DB_SLICE] if service in ("db", "eager") else []

    def services_at(self, address):
        return [s for s in self.services.values() if s["spec"].get("clusterIP") == address]

    def slices_at(self, address):
        return [DB_SLICE] if any(address in e["addresses"] for e in DB_SLICE["endpoints"]) else []

    def has_namespace(self, namespace):
        return namespace in ("shop", "default")


def _ask(name: str, kind: str = "A") -> tuple[Outcome, list[str]]:
    found = resolve(World(), ZONE, name, kind)
    texts = []
    for record in found.records:
        match record:
            case Address(_, address):
                texts.append(address)
            case Target(_, port, target, address):
                texts.append(f"{port} {target} {address}")
            case Text(_, text):
                texts.append(text)
            case Alias(_, target) | Pointer(_, target):
                texts.append(target)
    return found.outcome, texts


FOUND, MISSING, ELSEWHERE = Outcome.FOUND, Outcome.MISSING, Outcome.ELSEWHERE


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param("web.shop.svc.cluster.local", "A", (FOUND, ["10.96.0.7"]), id="cluster-ip"),
        pytest.param("WEB.Shop.svc.Cluster.Local", "A", (FOUND, ["10.96.0.7"]), id="any-case"),
        pytest.param("web.shop.svc.cluster.local", "AAAA", (FOUND, []), id="no-ipv6-is-empty-not-missing"),
        pytest.param("nope.shop.svc.cluster.local", "A", (MISSING, []), id="no-such-service"),
        pytest.param("web.none.svc.cluster.local", "A", (MISSING, []), id="no-such-namespace"),
        pytest.param("shop.svc.cluster.local", "A", (FOUND, []), id="a-namespace-exists"),
        pytest.param("none.svc.cluster.local", "A", (MISSING, []), id="a-missing-namespace"),
        pytest.param("svc.cluster.local", "A", (FOUND, []), id="the-branch-exists"),
        pytest.param(
            "db.shop.svc.cluster.local", "A", (FOUND, ["10.128.0.5", "10.128.1.6"]), id="headless-ready"
        ),
        pytest.param(
            "eager.shop.svc.cluster.local",
            "A",
            (FOUND, ["10.128.0.5", "10.128.1.6", "10.128.2.7"]),
            id="not-ready-too",
        ),
        pytest.param(
            "db-0.db.shop.svc.cluster.local", "A", (FOUND, ["10.128.0.5"]), id="endpoint-by-hostname"
        ),
        pytest.param(
            "10-128-1-6.db.shop.svc.cluster.local", "A", (FOUND, ["10.128.1.6"]), id="endpoint-by-address"
        ),
        pytest.param("db-9.db.shop.svc.cluster.local", "A", (MISSING, []), id="no-such-endpoint"),
        pytest.param(
            "x.web.shop.svc.cluster.local", "A", (MISSING, []), id="no-endpoints-under-a-cluster-ip"
        ),
        pytest.param(
            "_http._tcp.web.shop.svc.cluster.local",
            "SRV",
            (FOUND, ["80 web.shop.svc.cluster.local 10.96.0.7"]),
            id="srv-of-a-cluster-ip",
        ),
        pytest.param(
            "_http._tcp.db.shop.svc.cluster.local",
            "SRV",
            (
                FOUND,
                [
                    "8080 db-0.db.shop.svc.cluster.local 10.128.0.5",
                    "8080 10-128-1-6.db.shop.svc.cluster.local 10.128.1.6",
                ],
            ),
            id="srv-of-a-headless-service",
        ),
        pytest.param("_nope._tcp.web.shop.svc.cluster.local", "SRV", (MISSING, []), id="srv-of-no-port"),
        pytest.param("outside.shop.svc.cluster.local", "CNAME", (FOUND, ["example.com"]), id="external-name"),
        pytest.param(
            "outside.shop.svc.cluster.local", "A", (FOUND, ["example.com"]), id="external-name-asked-for-a"
        ),
        pytest.param(
            "inside.shop.svc.cluster.local",
            "A",
            (FOUND, ["web.shop.svc.cluster.local", "10.96.0.7"]),
            id="an-alias-within-the-zone-is-followed",
        ),
        pytest.param("10-1-2-3.default.pod.cluster.local", "A", (FOUND, ["10.1.2.3"]), id="pod-by-address"),
        pytest.param("x-1-2-3.default.pod.cluster.local", "A", (MISSING, []), id="pod-with-a-bad-address"),
        pytest.param("dns-version.cluster.local", "TXT", (FOUND, ["1.1.0"]), id="version"),
        pytest.param(
            "7.0.96.10.in-addr.arpa", "PTR", (FOUND, ["web.shop.svc.cluster.local"]), id="ptr-of-a-service"
        ),
        pytest.param(
            "5.0.128.10.in-addr.arpa",
            "PTR",
            (FOUND, ["db-0.db.shop.svc.cluster.local"]),
            id="ptr-of-an-endpoint",
        ),
        pytest.param("9.0.96.10.in-addr.arpa", "PTR", (MISSING, []), id="ptr-of-nothing"),
        pytest.param("1.1.1.1.in-addr.arpa", "PTR", (ELSEWHERE, []), id="ptr-of-others"),
        pytest.param("example.com", "A", (ELSEWHERE, []), id="not-ours"),
    ],
)
def test_answers(name, kind, expected):
    assert _ask(name, kind) == expected


def test_an_alias_to_itself_ends():
    outcome, texts = _ask("loop.shop.svc.cluster.local")
    assert outcome is FOUND
    assert 1 < len(texts) < 20
