"""Flags and a configuration file: who wins."""

from pathlib import Path

import pytest

from kit.config import parse
from scheduler.config import Config

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        HEAD + "leaderElection: {leaseDuration: 20s, retryPeriod: 3s}\nprofiles: [{schedulerName: mine}]\n"
    )
    return path


def parsed(*argv: str) -> Config:
    return parse(Config, argv, "pelamis scheduler", "")


def test_without_a_file_the_flags_count() -> None:
    config = parsed("--kubeconfig=k", "--scheduler-name=mine")
    assert config.file is None
    assert [profile.scheduler_name for profile in config.configuration.profiles] == ["mine"]
    assert config.configuration.pod_max_backoff_s == 10


def test_flags_about_the_lease_win_over_the_file(file: Path) -> None:
    config = parsed("--kubeconfig=k", f"--config={file}", "--leader-elect-retry-period=1s", "--seed=7")
    assert (config.leader_elect_lease_duration_s, config.leader_elect_retry_period_s) == (20.0, 1.0)
    assert config.configuration.leader_election.retry_period_s == 1.0
    assert (config.leader_elect, config.seed) == (True, 7)


def test_the_file_wins_over_other_flags(file: Path) -> None:
    config = parsed("--kubeconfig=k", f"--config={file}", "--scheduler-name=other")
    assert [profile.scheduler_name for profile in config.configuration.profiles] == ["mine"]
    assert config.kubeconfig == Path("k")
    file.write_text(file.read_text() + "clientConnection: {kubeconfig: /etc/k}\n")
    assert parsed(f"--config={file}").kubeconfig == Path("/etc/k")
    assert parsed(f"--config={file}", "--kubeconfig=k").kubeconfig == Path("/etc/k")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param("parallelism: 0", "should be an integer value greater than zero", id="no-sense"),
        pytest.param(
            "profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]",
            "at least one bind plugin",
            id="profile",
        ),
    ],
)
def test_a_bad_file_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, words: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + more)
    with pytest.raises(SystemExit):
        parsed("--kubeconfig=k", f"--config={path}")
    assert words in capsys.readouterr().err


def test_a_missing_file_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--kubeconfig=k", f"--config={tmp_path / 'none'}")
    assert "cannot read" in capsys.readouterr().err
