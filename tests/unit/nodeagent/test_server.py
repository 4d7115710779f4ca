"""What the node's server reads out of requests, and what it says about logs that are not there."""

from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from kit import clock
from nodeagent.logs import LogOptions
from nodeagent.pod.directory import PodRecord
from nodeagent.server import Refusal, _no_log, log_options, peer_identity, stream_protocols, upgrade_of

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, LogOptions(), id="defaults"),
        pytest.param(
            {"follow": "true", "timestamps": "1", "tailLines": "0", "limitBytes": "5"},
            LogOptions(follow=True, timestamps=True, tail_lines=0, limit_bytes=5),
            id="all-kinds",
        ),
        pytest.param(
            {"sinceSeconds": "60"}, LogOptions(since=datetime(2026, 1, 1, tzinfo=UTC)), id="since-seconds"
        ),
        pytest.param(
            {"sinceTime": "2025-12-31T00:00:00Z", "stream": "Stderr"},
            LogOptions(since=datetime(2025, 12, 31, tzinfo=UTC), stream="stderr"),
            id="since-time-of-one-stream",
        ),
    ],
)
def test_log_options(query, expected):
    with clock.use(clock.ManualClock(NOW)):
        assert log_options(query) == expected


@pytest.mark.parametrize("query", [{"tailLines": "x"}, {"sinceTime": "yesterday"}])
def test_bad_log_options(query):
    with pytest.raises(Refusal) as refusal:
        log_options(query)
    assert refusal.value.code == 400


def request(*headers):
    return make_mocked_request("POST", "/", headers=CIMultiDict(headers))


def test_upgrades():
    assert upgrade_of(request(("Upgrade", "WebSocket"))) == "websocket"
    assert upgrade_of(request(("Upgrade", "SPDY/3.1"))) == "spdy"
    with pytest.raises(Refusal):
        upgrade_of(request())


def test_stream_protocols():
    name = "X-Stream-Protocol-Version"
    assert stream_protocols(request((name, "b"), (name, "c, a")), ("x",)) == ("b", "c", "a")
    assert stream_protocols(request(), ("x",)) == ("x",)


def test_nobody_without_tls():
    assert peer_identity(request()) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param("ContainerCreating", "waiting to start: ContainerCreating", id="creating"),
        pytest.param("ErrImagePull", "waiting to start: image can't be pulled", id="pull"),
        pytest.param("ImagePullBackOff", "waiting to start: trying and failing to pull image", id="back-off"),
    ],
)
def test_why_there_is_no_log(reason, expected):
    waiting = [{"name": "c", "state": {"waiting": {"reason": reason}}}]
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    refusal = _no_log(PodRecord(pod, status={"containerStatuses": waiting}), "c", previous=False)
    assert (refusal.code, refusal.text) == (400, f'container "c" in pod "p" is {expected}')
