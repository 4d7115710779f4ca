"""The termination message: the file wins, the log stands in for it on failure."""

import pytest

from nodeagent.cri import convert
from nodeagent.pod.observation import termination_message
from proto.gen.cri import runtime_v1_pb2 as cri

LOG = (
    "2026-01-01T00:00:00Z stdout F one\n"
    "2026-01-01T00:00:00Z stderr P tw\n"
    "2026-01-01T00:00:00Z stderr F o\n"
    "broken\n"
)


@pytest.mark.parametrize(
    ("written", "policy", "code", "expected"),
    [
        pytest.param("OK", "File", 0, "OK", id="file"),
        pytest.param("OK", "FallbackToLogsOnError", 1, "OK", id="file-wins"),
        pytest.param("", "FallbackToLogsOnError", 1, "one\ntwo\n", id="log-on-error"),
        pytest.param("", "FallbackToLogsOnError", 0, "", id="no-log-on-success"),
        pytest.param("", "File", 1, "", id="no-log-by-policy"),
        pytest.param("x" * 5000, "File", 0, "x" * 4096, id="cut"),
    ],
)
def test_termination_message(tmp_path, written, policy, code, expected):
    (tmp_path / "message").write_text(written)
    (tmp_path / "log").write_text(LOG)
    status = cri.ContainerStatus(
        exit_code=code,
        log_path=str(tmp_path / "log"),
        annotations={convert.MESSAGE_PATH: "/dev/t", convert.MESSAGE_POLICY: policy},
        mounts=[cri.Mount(container_path="/dev/t", host_path=str(tmp_path / "message"))],
    )
    assert termination_message(status) == expected


def test_what_never_ran_tells_the_runtimes_reason():
    status = cri.ContainerStatus(exit_code=128, reason="StartError", message="no such file")
    assert termination_message(status) == "no such file"


def test_files_that_are_gone_say_nothing():
    status = cri.ContainerStatus(
        exit_code=1, log_path="/nonexistent", annotations={convert.MESSAGE_POLICY: "FallbackToLogsOnError"}
    )
    assert termination_message(status) == ""
