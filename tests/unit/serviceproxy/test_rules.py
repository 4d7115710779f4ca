"""Which packets go where, as values."""

from typing import Any

import pytest

from api.types.core_v1 import Node, NodeAddress, Service
from api.types.discovery_v1 import Endpoint, EndpointSlice
from serviceproxy import nft, routes
from serviceproxy.conntrack import find_stale, flush_arguments
from serviceproxy.rules import NOTHING, Backend, ServiceRules, Target, Vip, compute_rules, removed_udp


def _service(**spec: Any) -> Service:
    ports = [{"name": "http", "protocol": "TCP", "port": 80}]
    made: Any = {"clusterIP": "10.96.0.7", "ports": ports, **spec}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": made}


def _endpoint(address: str, node: str = "a", **conditions: bool) -> Endpoint:
    stated: Any = conditions
    return {"addresses": [address], "nodeName": node, "conditions": stated}


def _slice(*endpoints: Endpoint, port: int = 8080, name: str = "http") -> EndpointSlice:
    return {
        "addressType": "IPv4",
        "ports": [{"name": name, "protocol": "TCP", "port": port}],
        "endpoints": list(endpoints),
    }


ONE, TWO, THREE = Backend("10.0.0.1", 8080), Backend("10.0.0.2", 8080), Backend("10.0.0.3", 8080)
BOTH = _slice(_endpoint("10.0.0.1", "a"), _endpoint("10.0.0.2", "b"))
VIP = Vip("10.96.0.7", "tcp", 80)


@pytest.mark.parametrize(
    ("service", "slices", "expected"),
    [
        pytest.param(_service(), [BOTH], {VIP: Target({1: ONE, 2: TWO})}, id="cluster-ip"),
        pytest.param(_service(clusterIP="None"), [BOTH], {}, id="headless"),
        pytest.param(_service(type="ExternalName", clusterIP=""), [], {}, id="external-name"),
        pytest.param(_service(), [], {VIP: Target()}, id="no-endpoints-is-refused"),
        pytest.param(
            _service(),
            [_slice(_endpoint("10.0.0.1", ready=False))],
            {VIP: Target()},
            id="not-ready-is-left-out",
        ),
        pytest.param(
            _service(),
            [_slice(_endpoint("10.0.0.1", ready=False, serving=True, terminating=True))],
            {VIP: Target({1: ONE})},
            id="the-terminating-serve-when-nobody-else-does",
        ),
        pytest.param(
            _service(),
            [_slice(_endpoint("10.0.0.1", ready=False, terminating=True))],
            {VIP: Target({1: ONE})},
            id="serving-unset-means-yes",
        ),
        pytest.param(
            _service(),
            [
                _slice(
                    _endpoint("10.0.0.1", ready=False, serving=True, terminating=True), _endpoint("10.0.0.2")
                )
            ],
            {VIP: Target({1: TWO})},
            id="the-terminating-rest-while-others-are-ready",
        ),
        pytest.param(
            _service(),
            [_slice(_endpoint("10.0.0.1"), name="other")],
            {VIP: Target()},
            id="ports-match-by-name",
        ),
        pytest.param(
            _service(internalTrafficPolicy="Local"),
            [BOTH],
            {VIP: Target({1: ONE}, refuse=False)},
            id="internal-local",
        ),
        pytest.param(
            _service(sessionAffinity="ClientIP"),
            [BOTH],
            {VIP: Target({1: ONE, 2: TWO}, 10800)},
            id="sticky-clients",
        ),
        pytest.param(
            _service(ports=[{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}]),
            [BOTH],
            {VIP: Target({1: ONE, 2: TWO}), Vip("", "tcp", 30080): Target({1: ONE, 2: TWO}, masquerade=True)},
            id="node-port-is-masqueraded",
        ),
        pytest.param(
            _service(
                externalTrafficPolicy="Local",
                ports=[{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}],
            ),
            [_slice(_endpoint("10.0.0.2", "b"))],
            {VIP: Target({1: TWO}), Vip("", "tcp", 30080): Target(refuse=False)},
            id="node-port-local-without-local-endpoint-is-silent",
        ),
        pytest.param(
            _service(externalIPs=["1.2.3.4"]),
            [_slice(_endpoint("10.0.0.1"))],
            {VIP: Target({1: ONE}), Vip("1.2.3.4", "tcp", 80): Target({1: ONE}, masquerade=True)},
            id="external-ip",
        ),
    ],
)
def test_targets(service, slices, expected):
    assert compute_rules(service, slices, "a").targets == expected


def test_ports_of_an_external_address_that_no_service_has_are_not_refused():
    """The address may be the node's own, where sshd listens."""
    service = _service(externalIPs=["1.2.3.4"])
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "5.6.7.8"}]}}
    assert compute_rules(service, [BOTH], "a").addresses == {"10.96.0.7"}


def test_a_service_of_another_proxy_is_left_alone():
    service = _service()
    service["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "other"}
    assert compute_rules(service, [BOTH], "a") == NOTHING


def test_a_backend_keeps_its_number_while_it_lives():
    three = compute_rules(_service(), [BOTH, _slice(_endpoint("10.0.0.3"))], "a")
    assert three.targets[VIP].backends == {1: ONE, 2: TWO, 3: THREE}
    without_first = compute_rules(
        _service(), [_slice(_endpoint("10.0.0.2"), _endpoint("10.0.0.3"))], "a", three
    )
    assert without_first.targets[VIP].backends == {2: TWO, 1: THREE}
    again = compute_rules(_service(), [BOTH, _slice(_endpoint("10.0.0.3"))], "a", without_first)
    assert again.targets[VIP].backends == {2: TWO, 1: THREE, 3: ONE}


def test_a_changed_endpoint_costs_elements_and_no_chain():
    settings = nft.Settings("t", "10.0.0.0/8")
    first = compute_rules(_service(), [BOTH], "a")
    elements, _ = nft.from_scratch(settings, [first])
    second = compute_rules(_service(), [_slice(_endpoint("10.0.0.1"), _endpoint("10.0.0.3"))], "a", first)
    assert elements.change(first, second) == [
        "delete element ip t endpoints { 10.96.0.7 . tcp . 80 . 2 }",
        "add element ip t endpoints { 10.96.0.7 . tcp . 80 . 2 : 10.0.0.3 . 8080 }",
        "add element ip t hairpins { 10.0.0.3 . 10.0.0.3 }",
        "delete element ip t hairpins { 10.0.0.2 . 10.0.0.2 }",
    ]
    assert elements.change(second, second) == []


def test_udp_flows_to_gone_backends_are_forgotten_and_tcp_is_left_alone():
    udp = Vip("10.96.0.7", "udp", 53)
    before = compute_rules(_service(), [BOTH], "a")
    before = type(before)({**before.targets, udp: Target({1: ONE, 2: TWO})})
    after = type(before)({udp: Target({1: TWO})})
    assert removed_udp(before, after) == [(udp, ONE)]
    assert removed_udp(after, NOTHING) == [(udp, TWO)]
    assert removed_udp(type(before)({udp: Target()}), after) == [(udp, None)]
    assert flush_arguments(udp, ONE)[-2:] == ["--reply-src", "10.0.0.1"]
    assert "--orig-dst" not in flush_arguments(Vip("", "udp", 30053), None)


def _node(name: str, cidr: str = "", address: str = "") -> Node:
    addresses: list[NodeAddress] = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    return {"metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": {"addresses": addresses}}


def test_routes_lead_to_other_nodes_that_have_both_address_and_pods():
    nodes = [
        _node("a", "10.1.0.0/24", "1.1.1.1"),
        _node("b", "10.1.1.0/24", "1.1.1.2"),
        _node("c", "", "1.1.1.3"),
    ]
    assert routes.compute_routes(nodes, "a") == {"10.1.1.0/24": "1.1.1.2"}
    assert routes.route_commands({"x": "1", "y": "2"}, {"y": "3", "z": "4"}) == [
        "route del x proto 88",
        "route replace y via 3 proto 88",
        "route replace z via 4 proto 88",
    ]


def test_routes_of_another_cluster_on_the_machine_are_not_ours():
    shown = (
        "10.128.1.0/24 via 10.89.0.11 dev pel0 \n10.129.1.0/24 via 10.89.1.11 dev pel1\n10.128.9.0/24 dev x"
    )
    assert routes.parse_routes(shown, "10.128.0.0/16") == {"10.128.1.0/24": "10.89.0.11"}


def _flow(address: str, port: int, goes_to: str, number: int, unreplied: str = "") -> str:
    back = f"src={goes_to} dst=10.0.9.9 sport={number} dport=4242 mark=0 use=1"
    return f"udp      17 29 src=10.0.9.9 dst={address} sport=4242 dport={port} {unreplied}{back}\n"


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        pytest.param(_flow("10.96.0.7", 53, "10.0.0.1", 8080), [], id="to-a-backend"),
        pytest.param(
            _flow("10.96.0.7", 53, "10.0.0.9", 8080),
            [(Vip("10.96.0.7", "udp", 53), Backend("10.0.0.9", 8080))],
            id="to-one-that-is-gone",
        ),
        pytest.param(
            _flow("10.96.0.7", 53, "10.96.0.7", 53, "[UNREPLIED] "),
            [(Vip("10.96.0.7", "udp", 53), Backend("10.96.0.7", 53))],
            id="to-nobody",
        ),
        pytest.param(_flow("10.96.0.8", 53, "10.0.0.9", 53), [], id="of-no-service"),
        pytest.param(
            _flow("192.0.2.1", 30053, "10.0.0.9", 8080),
            [(Vip("", "udp", 30053), Backend("10.0.0.9", 8080))],
            id="by-a-node-port",
        ),
        pytest.param(_flow("192.0.2.1", 30053, "192.0.2.1", 30053), [], id="not-translated"),
    ],
)
def test_udp_flows_that_a_starting_proxy_finds_stale(flow, expected):
    target = Target({1: ONE})
    rules = ServiceRules({Vip("10.96.0.7", "udp", 53): target, Vip("", "udp", 30053): target})
    assert find_stale(flow, [rules]) == expected
