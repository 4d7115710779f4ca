"""Which cluster is meant."""

import argparse
from pathlib import Path

import pytest

from cli.verbs.connection import add_connection, endpoint_of
from client.kubeconfig import KubeconfigError

TEXT = """
current-context: x
contexts: [{name: x, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "https://%s"}}]
"""


@pytest.mark.parametrize(
    ("flags", "variable", "expected"),
    [
        pytest.param(
            ["--kubeconfig={tmp}/flag", "--dir={tmp}/folder"], "{tmp}/variable", "flag", id="a-file"
        ),
        pytest.param(["--dir={tmp}/folder"], "{tmp}/variable", "folder", id="a-directory"),
        pytest.param([], "{tmp}/variable", "variable", id="the-variable"),
        pytest.param([], "", "local", id="the-local-cluster"),
    ],
)
def test_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], variable: str, expected: str
) -> None:
    for name in ("flag", "variable"):
        (tmp_path / name).write_text(TEXT % name)
    for name in ("folder", "local"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubeconfig").write_text(TEXT % name)
    monkeypatch.setenv("PELAMIS_DIR", str(tmp_path / "local"))
    monkeypatch.setenv("KUBECONFIG", variable.format(tmp=tmp_path))
    parser = argparse.ArgumentParser()
    add_connection(parser)
    args = parser.parse_args([flag.format(tmp=tmp_path) for flag in flags])
    assert endpoint_of(args).server == f"https://{expected}"


def test_no_cluster_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELAMIS_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    parser = argparse.ArgumentParser()
    add_connection(parser)
    with pytest.raises(KubeconfigError, match="cannot read"):
        endpoint_of(parser.parse_args([]))
