import pytest

from nodeagent.hollow.life import Defaults, Life, compute_life
from nodeagent.hollow.state import Container, Sandbox, State, dumps, loads, packed_container
from proto.gen.cri import runtime_v1_pb2 as cri

P = "hollow.pelamis.dev"


@pytest.mark.parametrize(
    ("kind", "labels", "annotations", "expected"),
    [
        pytest.param("app", {}, {}, Life(0.5), id="runs-for-ever"),
        pytest.param("init", {}, {}, Life(0.5, 0.1), id="init-ends"),
        pytest.param("app", {"job-name": "j"}, {}, Life(0.5, 2.0), id="job-ends"),
        pytest.param(
            "app", {}, {f"{P}/exit-after": "3s", f"{P}/exit-code": "7"}, Life(0.5, 3.0, 7), id="script"
        ),
        pytest.param("sidecar", {}, {f"{P}/exit-after": "3s"}, Life(0.5), id="general-script-is-for-apps"),
        pytest.param("init", {}, {f"a.{P}/exit-after": "9"}, Life(0.5, 9.0), id="own-script"),
        pytest.param("app", {}, {f"{P}/start-delay": "1m"}, Life(60.0), id="delay"),
        pytest.param(
            "app", {}, {f"{P}/exit-after": "soon", f"{P}/exit-code": "-"}, Life(0.5), id="malformed"
        ),
    ],
)
def test_compute_life(kind, labels, annotations, expected):
    defaults = Defaults(start_delay_s=0.5, init_duration_s=0.1, job_duration_s=2.0)
    assert compute_life("a", kind, labels, annotations, defaults) == expected


CONFIG = cri.ContainerConfig(working_dir="/w")


def test_state_survives_the_disk():
    state = State("10.0.0.0/30")
    state.sandboxes["s"] = Sandbox(
        "s", cri.PodSandboxConfig(hostname="h").SerializeToString(), 1, ip="10.0.0.2"
    )
    state.containers["c"] = Container("c", "s", packed_container(CONFIG), 2, exit_at=9)
    assert loads(dumps(state)) == state
    assert state.sandboxes["s"].config.hostname == "h"
    assert state.containers["c"].config.working_dir == "/w"


def test_addresses_are_given_out_in_turn():
    state = State("10.0.0.0/29")
    given = []
    for number in range(7):
        given.append(state.free_ip())
        state.sandboxes[str(number)] = Sandbox(str(number), b"", 1, ready=number > 1, ip=given[-1])
    assert [ip.rsplit(".", 1)[1] for ip in given] == ["2", "3", "4", "5", "6", "2", "3"]


def test_addresses_run_out():
    state = State("10.0.0.0/30")
    assert state.free_ip() == "10.0.0.2"
    state.sandboxes["s"] = Sandbox("s", b"", 1, ip="10.0.0.2")
    with pytest.raises(LookupError, match="no addresses left"):
        state.free_ip()
    state.sandboxes["s"].ready = False
    assert state.free_ip() == "10.0.0.2"
    with pytest.raises(LookupError, match="no pod CIDR"):
        State().free_ip()
