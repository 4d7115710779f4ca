"""Channels in WebSocket messages, and the parameters of streaming requests."""

import orjson
import pytest

from nodeagent.streams.channels import EXEC_PROTOCOLS, PORT_PROTOCOLS, chosen, decode, encode
from nodeagent.streams.portforward import BadPorts, parse_ports
from nodeagent.streams.remotecommand import BadOptions, StreamOptions, failure, failure_text, parse_options


@pytest.mark.parametrize("name", [protocol.name for protocol in EXEC_PROTOCOLS])
@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256))])
def test_there_and_back(name, data):
    protocol = chosen(name, EXEC_PROTOCOLS)
    message = encode(protocol, 2, data)
    assert isinstance(message, str) == protocol.base64
    raw = message.encode() if isinstance(message, str) else message
    assert decode(protocol, raw) == (2, data)


def test_what_protocols_can_do():
    assert chosen("v5.channel.k8s.io", EXEC_PROTOCOLS).half_close
    assert not chosen("v4.channel.k8s.io", EXEC_PROTOCOLS).half_close
    assert not chosen(None, EXEC_PROTOCOLS).status
    assert [protocol.name for protocol in PORT_PROTOCOLS] == [
        "v4.channel.k8s.io",
        "v4.base64.channel.k8s.io",
        "portforward.k8s.io",
    ]


def test_rubbish_says_nothing():
    base64 = chosen("base64.channel.k8s.io", EXEC_PROTOCOLS)
    assert decode(base64, b"x") is None
    assert decode(base64, b"1%") in (None, (1, b""))
    assert decode(base64, b"") is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"stdin": "true", "stdout": "true"}, StreamOptions(stdin=True, stdout=True), id="api"),
        pytest.param({"input": "1", "error": "1"}, StreamOptions(stdin=True, stderr=True), id="kubelet"),
        pytest.param(
            {"stdout": "1", "stderr": "1", "tty": "1"}, StreamOptions(stdout=True, tty=True), id="terminal"
        ),
    ],
)
def test_options(query, expected):
    assert parse_options(query) == expected


def test_bad_options():
    with pytest.raises(BadOptions):
        parse_options({"stdin": "0"})


def test_ports():
    assert parse_ports(["80", "443,8080"]) == [80, 443, 8080]
    for bad in ([], ["x"], ["0"], ["70000"]):
        with pytest.raises(BadPorts):
            parse_ports(bad)


def test_failures_as_text():
    assert failure_text(failure("broken")) == b"broken"
    assert failure_text(orjson.dumps({"status": "Success"})) == b""
    assert failure_text(b"plain") == b"plain"
