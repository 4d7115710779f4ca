"""The pure parts of connect requests."""

from collections.abc import Mapping

import pytest
from multidict import CIMultiDict

from api.errors import BadRequest, Forbidden, Invalid
from apiserver.http.message import Request
from apiserver.subresources import connect, log, portforward, proxy, rewrite
from apiserver.subresources import exec as execute
from apiserver.subresources.kubelet import address_of, port_of
from apiserver.subresources.pods import container_of, node_of

POD = {
    "metadata": {"name": "p", "namespace": "ns"},
    "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b"}], "nodeName": "n"},
    "status": {"podIP": "10.0.0.5"},
}


def request(query: dict | None = None, headers: Mapping[str, str] | None = None, path: str = "/") -> Request:
    return Request("GET", path, query or {}, headers or {})


@pytest.mark.parametrize(
    ("containers", "inits", "wanted", "expected"),
    [
        pytest.param(["a"], [], "", "a", id="the-only-one"),
        pytest.param(["a", "b"], [], "b", "b", id="named"),
        pytest.param(["a"], ["i"], "i", "i", id="init"),
        pytest.param(["a"], [], "x", BadRequest("container x is not valid for pod p"), id="unknown"),
        pytest.param(
            ["a", "b"],
            ["i"],
            "",
            BadRequest(
                "a container name must be specified for pod p, choose one of: [a b] "
                "or one of the init containers: [i]"
            ),
            id="ambiguous",
        ),
    ],
)
def test_container(containers: list, inits: list, wanted: str, expected) -> None:
    spec = {
        "containers": [{"name": name} for name in containers],
        "initContainers": [{"name": name} for name in inits],
    }
    pod = {"metadata": {"name": "p"}, "spec": spec}
    if isinstance(expected, str):
        assert container_of(pod, wanted) == expected
        return
    with pytest.raises(BadRequest) as caught:
        container_of(pod, wanted)
    assert caught.value.message == expected.message


def test_no_host() -> None:
    with pytest.raises(BadRequest, match="pod p does not have a host assigned"):
        node_of({"metadata": {"name": "p"}, "spec": {}})


def test_agent_paths() -> None:
    given = request({"command": ["sh", "-c", "a b"], "stdin": ["true"], "stdout": ["1"], "tty": ["false"]})
    assert (
        execute.agent_path("exec", POD, "a", given)
        == "/exec/ns/p/a?input=1&output=1&command=sh&command=-c&command=a+b"
    )
    assert execute.agent_path("attach", POD, "a", given) == "/attach/ns/p/a?input=1&output=1"
    assert log.agent_path(POD, "a", request({"follow": ["true"], "tailLines": ["5"]})) == (
        "/containerLogs/ns/p/a?follow=true&tailLines=5"
    )
    assert portforward.agent_path(POD, request({"ports": ["80", "81"]})) == "/portForward/ns/p?port=80%2C81"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param(
            {"tailLines": ["-1"]},
            "tailLines: Invalid value: -1: must be greater than or equal to 0",
            id="tail",
        ),
        pytest.param(
            {"sinceSeconds": ["0"]}, "sinceSeconds: Invalid value: 0: must be greater than 0", id="since"
        ),
        pytest.param(
            {"sinceSeconds": ["1"], "sinceTime": ["x"]},
            "at most one of `sinceTime` or `sinceSeconds`",
            id="both",
        ),
    ],
)
def test_log_options(query: dict, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        log.check(request(query))
    assert text in caught.value.message


@pytest.mark.parametrize(
    ("size", "head"),
    [
        pytest.param(5, b"\x82\x05", id="short"),
        pytest.param(200, b"\x82\x7e\x00\xc8", id="two-bytes"),
        pytest.param(70000, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70", id="eight-bytes"),
    ],
)
def test_frame(size: int, head: bytes) -> None:
    assert log.frame(2, b"x" * size) == head + b"x" * size


def test_credentials_stay_here() -> None:
    given = CIMultiDict(
        [
            ("Authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("Impersonate-User", "root"),
            ("X-Remote-User", "root"),
            ("Host", "api"),
            ("Upgrade", "SPDY/3.1"),
            ("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
            ("X-Stream-Protocol-Version", "v3.channel.k8s.io"),
            ("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.eA, v5.channel.k8s.io"),
            ("X-Bad", "a\r\nEvil: yes"),
        ]
    )
    assert connect.forwarded_headers(request(headers=given)) == [
        ("upgrade", "SPDY/3.1"),
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ("x-stream-protocol-version", "v3.channel.k8s.io"),
        ("sec-websocket-protocol", "v5.channel.k8s.io"),
    ]


def test_head() -> None:
    head = connect.parse_head(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nA: b:c\r\n\r\n")
    assert (head.status, head.get("a"), head.get("missing")) == (101, "b:c", "")
    with pytest.raises(ValueError, match="malformed"):
        connect.parse_head(b"SSH-2.0-OpenSSH\r\n\r\n")


def test_node_address() -> None:
    addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.1.1.1"}]
    node = {"status": {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}}}}
    assert address_of(node, ("InternalIP", "Hostname")) == "10.1.1.1"
    assert address_of(node, ("ExternalIP",)) == ""
    assert (port_of(node), port_of({})) == (10251, 10250)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("web", ("http", "web", ""), id="name"),
        pytest.param("web:80", ("http", "web", "80"), id="port"),
        pytest.param("https:web:443", ("https", "web", "443"), id="scheme"),
        pytest.param("https:web:", ("https", "web", ""), id="scheme-without-port"),
    ],
)
def test_proxy_name(text: str, expected: tuple) -> None:
    named = proxy.parse_name(text)
    assert (named.scheme, named.name, named.port) == expected


def test_pod_address() -> None:
    assert proxy.pod_address(POD, "") == ("10.0.0.5", 80)
    assert proxy.pod_address(POD, "8080") == ("10.0.0.5", 8080)
    with pytest.raises(BadRequest):
        proxy.pod_address({**POD, "status": {}}, "")


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "fe80::1"])
def test_own_addresses_are_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        proxy.check_address(host)


def test_rewrite() -> None:
    page = b'<a href="/x?y">l</a><img SRC=\'/i.png\'><a href="//cdn/z"><a href="rel"><form action=/go>'
    assert rewrite.rewrite_html(page, "/p/proxy") == (
        b'<a href="/p/proxy/x?y">l</a><img SRC=\'/p/proxy/i.png\'><a href="//cdn/z"><a href="rel">'
        b"<form action=/p/proxy/go>"
    )
    assert rewrite.rewrite_location("/a?b=c", "http://h:1", "/p/proxy") == "/p/proxy/a?b=c"
    assert rewrite.rewrite_location("http://h:1/a", "http://h:1", "/p/proxy") == "/p/proxy/a"
    assert rewrite.rewrite_location("https://other/a", "http://h:1", "/p/proxy") == "https://other/a"
