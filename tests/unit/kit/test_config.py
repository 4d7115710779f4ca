"""Flags and files become a settings object."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit.config import parse, parse_duration


@dataclass(frozen=True)
class Config:
    kubeconfig: Path
    grace_period_s: float = field(
        default=50.0, metadata={"flag": "node-monitor-grace-period", "help": "100 %"}
    )
    leader_elect: bool = True
    labels: tuple[str, ...] = ()
    port: int = 10257
    token: str | None = None


def _parse(*argv: str) -> Config:
    return parse(Config, argv, "test", "a test")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90", 90.0, id="plain-seconds"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("1m30s", 90.0, id="minutes-and-seconds"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("2h", 7200.0, id="hours"),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1x", "5m junk", "s"])
def test_bad_durations(text):
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


def test_flags_and_defaults():
    config = _parse(
        "--kubeconfig=/k", "--node-monitor-grace-period", "1m", "--labels=a,b", "--leader-elect=false"
    )
    assert config == Config(Path("/k"), 60.0, False, ("a", "b"), 10257, None)


def test_a_file_fills_in_and_flags_win(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "kubeconfig: /file\nport: 1\nnode-monitor-grace-period: 8s\nlabels: [x, y]\nleader-elect: false\n"
    )
    config = _parse("--config", str(path), "--port=2")
    assert config == Config(Path("/file"), 8.0, False, ("x", "y"), 2, None)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        pytest.param([], "required: --kubeconfig", id="missing"),
        pytest.param(
            ["--kubeconfig=/k", "--leader-elect=maybe"], "invalid boolean value 'maybe'", id="bad-bool"
        ),
        pytest.param(["--kubeconfig=/k", "--port=x"], "invalid int value", id="bad-int"),
        pytest.param(["--config=/does/not/exist"], "cannot read /does/not/exist", id="no-file"),
    ],
)
def test_bad_input_is_explained(argv, words, capsys):
    with pytest.raises(SystemExit):
        _parse(*argv)
    assert words in capsys.readouterr().err


def test_unknown_settings_in_a_file_are_named(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text("kubeconfig: /k\nprot: 1\n")
    with pytest.raises(SystemExit):
        _parse("--config", str(path))
    assert "unknown settings: prot" in capsys.readouterr().err


def test_lists_may_be_repeated():
    assert _parse("--kubeconfig=k", "--labels=a", "--labels", "b,c").labels == ("a", "b", "c")
