"""`pelamis whatif`: what it takes, how it fails."""

from pathlib import Path
from typing import Any

import pytest

from api.types.core_v1 import NODES, PODS
from cli.verbs import whatif
from cli.whatif.live import Live
from scheduler.config import Config
from scheduler.configuration.load import ConfigurationError
from tests.unit.scheduler.build import node
from tests.unit.scheduler.whatif.test_predict import replica

KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: k, namespace: home}}]
clusters: [{name: k, cluster: {server: "https://%s"}}]
"""


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any cluster."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PELAMIS_DIR", str(tmp_path / "cluster"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param([], "required: what", id="nothing"),
        pytest.param(["lose", "zone"], "expected LABEL=VALUE, not 'zone'", id="no-value"),
        pytest.param(["add-nodes", "0", "n1"], "COUNT must be 1 or more", id="no-nodes"),
        pytest.param(["add-nodes", "many", "n1"], "invalid int value", id="no-number"),
        pytest.param(["apply"], "required: -f/--filename", id="no-file"),
    ],
)
def test_what_is_no_question(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        whatif.main("whatif", words)
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["drain", "n1"], "cannot read", id="no-cluster"),
        pytest.param(
            ["drain", "n1", "--kubeconfig=bad"],
            "cannot connect to 127.0.0.1:1: connection refused",
            id="no-server",
        ),
        pytest.param(
            ["drain", "n1", "--scheduler-config=bad"], "Object 'Kind' is missing", id="no-configuration"
        ),
    ],
)
def test_how_it_fails(
    nowhere: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    (nowhere / "bad").write_text(KUBECONFIG % "127.0.0.1:1")
    monkeypatch.chdir(nowhere)
    assert whatif.main("whatif", words) == 2
    error = capsys.readouterr().err
    assert error.startswith("pelamis whatif drain: ")
    assert text in error


LIVE = Live({NODES: [node("n1"), node("n2"), node("n3")], PODS: [replica("a", "n1")]})


def _placed(words: list[str], settings: Config | None = None) -> list[str]:
    args = whatif.parse("whatif", words)
    report = whatif.ask(args, LIVE, settings or whatif.settings_of(args), "default").report
    return [each.node for each in report.placements]


def test_the_schedulers_own_settings_count(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from pelamis.plugins import filter\n\n@filter\ndef f(pod, node):\n    return node.name == 'n3'\n"
    )
    assert _placed(["drain", "n1", f"--plugin-file={file}"]) == ["n3"]
    config = tmp_path / "config.yaml"
    config.write_text(
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, profiles: "
        f"[{{pluginConfig: [{{name: PythonPlugins, args: {{files: [{file}]}}}}]}}]}}"
    )
    assert _placed(["drain", "n1", f"--scheduler-config={config}"]) == ["n3"]
    config.write_text("{}")
    with pytest.raises(ConfigurationError):
        _placed(["drain", "n1", f"--scheduler-config={config}"])


def test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}"
    )
    template = tmp_path / "node.yaml"
    template.write_text("{apiVersion: v1, kind: Node, metadata: {name: big}}")
    assert len(_placed(["lose", "kubernetes.io/hostname=n1"])) == 1
    assert len(_placed(["apply", "-f", str(file)])) == 1
    assert _placed(["add-nodes", "2", "n2"]) == _placed(["add-nodes", "2", str(template)]) == []
    with pytest.raises(ValueError, match="there is neither a node nor a file x"):
        _placed(["add-nodes", "2", "x"])
