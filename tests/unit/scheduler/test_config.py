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


def test_files_of_functions_are_for_all_profiles_or_for_one(tmp_path: Path) -> None:
    assert parsed("--kubeconfig=k", "--plugin-file=a", "--plugin-file=b,c").plugin_files == {
        "default-scheduler": ("a", "b", "c")
    }
    file = tmp_path / "config.yaml"
    own = "pluginConfig: [{name: PythonPlugins, args: {files: [/x.py]}}]"
    file.write_text(HEAD + f"profiles: [{{schedulerName: one}}, {{schedulerName: two, {own}}}]\n")
    config = parsed("--kubeconfig=k", f"--config={file}", "--plugin-file=a")
    assert config.plugin_files == {"one": ("a",), "two": ("a", "/x.py")}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param(
            "profiles: [{pluginConfig: [{name: PythonPlugins, args: {files: /x.py}}]}]",
            'pluginConfig[0].args.files: Invalid value: "/x.py": must be a list of names of files',
            id="files-that-are-no-list",
        ),
        pytest.param(
            "profiles: [{pluginConfig: [{name: PythonPlugins, args: {file: [/x.py]}}]}]",
            'Unsupported value: "file": supported values: "files"',
            id="unknown-argument",
        ),
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
