"""Results of probes from their outcomes; where handlers point."""

from datetime import UTC, datetime, timedelta

import pytest

from nodeagent.probes.decide import (
    LIVENESS,
    READINESS,
    STARTUP,
    Outcome,
    ProbeSpec,
    advance,
    first_delay_s,
    is_final,
    new_progress,
    new_spec,
)
from nodeagent.probes.grpc import decode_status, encode_request
from nodeagent.probes.target import TargetError, http_headers, http_url, port_number

CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}
OUTCOMES = {"+": Outcome(True), "-": Outcome(False), "?": Outcome(None)}


@pytest.mark.parametrize(
    ("kind", "thresholds", "outcomes", "expected"),
    [
        pytest.param(READINESS, (1, 3), "", False, id="not-ready-at-first"),
        pytest.param(READINESS, (1, 3), "+", True, id="ready-at-once"),
        pytest.param(READINESS, (2, 3), "+", False, id="success-threshold"),
        pytest.param(READINESS, (2, 3), "++", True, id="success-threshold-reached"),
        pytest.param(READINESS, (2, 3), "+-+", False, id="a-failure-breaks-the-run"),
        pytest.param(READINESS, (1, 3), "+--", True, id="failure-threshold"),
        pytest.param(READINESS, (1, 3), "+---", False, id="failure-threshold-reached"),
        pytest.param(READINESS, (1, 3), "+--+--", True, id="a-success-breaks-the-run"),
        pytest.param(LIVENESS, (1, 3), "", True, id="alive-at-first"),
        pytest.param(LIVENESS, (1, 1), "-", False, id="dead"),
        pytest.param(LIVENESS, (1, 2), "-?-", False, id="a-probe-that-could-not-be-made-counts-for-nothing"),
        pytest.param(STARTUP, (1, 3), "--", None, id="still-starting"),
        pytest.param(STARTUP, (1, 3), "--+", True, id="started"),
        pytest.param(STARTUP, (1, 3), "---", False, id="never-started"),
    ],
)
def test_results(kind, thresholds, outcomes, expected):
    spec = ProbeSpec(kind, success_threshold=thresholds[0], failure_threshold=thresholds[1])
    progress = new_progress(kind)
    for outcome in outcomes:
        progress = advance(progress, spec, OUTCOMES[outcome])
    assert progress.result is expected


def test_an_earlier_agents_finding_stands():
    assert new_progress(READINESS, known=True).result is True


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        (STARTUP, None, False),
        (STARTUP, True, True),
        (STARTUP, False, True),
        (LIVENESS, True, False),
        (LIVENESS, False, True),
        (READINESS, False, False),
    ],
)
def test_is_final(kind, result, expected):
    progress = advance(new_progress(kind), ProbeSpec(kind, failure_threshold=1), Outcome(result))
    assert is_final(progress, kind) is expected


def test_defaults_and_delay():
    spec = new_spec(READINESS, {"initialDelaySeconds": 15})
    assert spec == ProbeSpec(READINESS, 15.0, 10.0, 1.0, 1, 3)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert first_delay_s(spec, start, start + timedelta(seconds=5)) == 10
    assert first_delay_s(spec, start, start + timedelta(seconds=50)) == 0


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        pytest.param({"port": 80}, "http://10.1.0.5:80/", id="defaults"),
        pytest.param({"port": "web", "path": "healthz"}, "http://10.1.0.5:8080/healthz", id="named-port"),
        pytest.param(
            {"port": 443, "scheme": "HTTPS", "host": "fd00::1", "path": "/a?b=c&d=%3Fe"},
            "https://[fd00::1]:443/a?b=c&d=%3Fe",
            id="query-as-given",
        ),
        pytest.param({"port": 80, "path": "/a b"}, "http://10.1.0.5:80/a%20b", id="blank"),
    ],
)
def test_http_url(handler, expected):
    assert http_url(handler, CONTAINER, "10.1.0.5") == expected


def test_ports():
    assert port_number("8081", CONTAINER) == 8081
    with pytest.raises(TargetError):
        port_number("nope", CONTAINER)
    with pytest.raises(TargetError):
        port_number(0, CONTAINER)


def test_headers():
    assert http_headers({}) == [("User-Agent", "kube-probe/1.36"), ("Accept", "*/*")]
    given = [{"name": "X", "value": "1"}, {"name": "accept", "value": ""}]
    assert http_headers({"httpHeaders": given}) == [("X", "1"), ("User-Agent", "kube-probe/1.36")]


def test_health_messages():
    assert encode_request("") == b""
    assert encode_request("ab") == b"\x0a\x02ab"
    assert encode_request("x" * 200)[:3] == b"\x0a\xc8\x01"
    assert [decode_status(answer) for answer in (b"\x08\x01", b"\x08\x02", b"")] == [
        "SERVING",
        "NOT_SERVING",
        "UNKNOWN",
    ]
