"""Files of plugins: loaded, loaded again when they change, kept when they break."""

import os
from pathlib import Path
from typing import Any

import pytest

from scheduler.framework import Profile
from scheduler.python_plugins.files import Broken, PythonPlugins, read

HEAD = "from pelamis.plugins import filter, score\n\n"
ONE = HEAD + "@score\ndef one(pod, node):\n    return 1\n"
TWO = HEAD + "@score\ndef two(pod, node):\n    return 2\n\n@filter\ndef three(pod, node):\n    return True\n"


def _write(path: Path, text: str, age: int = 0) -> None:
    path.write_text(text)
    os.utime(path, ns=(age * 10**9, age * 10**9))


def _names(plugins: PythonPlugins, profile: str = "a") -> list[str]:
    extended = plugins.extend({profile: Profile(profile, (), ())})[profile]
    found: list[Any] = [*extended.filters, *(plugin for plugin, _ in extended.scores)]
    return [plugin.name for plugin in found]


def test_a_file_is_loaded_again_once_it_stands_still(tmp_path):
    file = tmp_path / "mine.py"
    _write(file, ONE)
    plugins = PythonPlugins({"a": [file]})
    assert _names(plugins) == ["one"]
    assert not plugins.refresh()
    _write(file, TWO[:60], 1)
    assert not plugins.refresh()
    _write(file, TWO, 2)
    assert not plugins.refresh()
    assert plugins.refresh()
    assert _names(plugins) == ["three", "two"]
    assert not plugins.refresh()


@pytest.mark.parametrize(
    "text", [None, "def", HEAD + "@score\ndef one(pod):\n    return 1\n"], ids=["gone", "syntax", "arguments"]
)
def test_the_last_good_version_is_kept(tmp_path, text):
    file = tmp_path / "mine.py"
    _write(file, ONE)
    plugins = PythonPlugins({"a": [file]})
    if text is None:
        file.unlink()
    else:
        _write(file, text, 1)
    assert not plugins.refresh()
    assert not plugins.refresh()
    assert _names(plugins) == ["one"]
    _write(file, TWO, 3)
    assert not plugins.refresh()
    assert plugins.refresh()
    assert _names(plugins) == ["three", "two"]


def test_a_file_that_comes_later(tmp_path):
    file = tmp_path / "mine.py"
    plugins = PythonPlugins({"a": [file]})
    assert _names(plugins) == []
    _write(file, ONE)
    assert not plugins.refresh()
    assert plugins.refresh()
    assert _names(plugins) == ["one"]


def test_each_profile_has_its_own_files(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    _write(one, ONE)
    _write(two, TWO)
    plugins = PythonPlugins({"a": [one], "b": [two, one]})
    assert _names(plugins, "a") == ["one"]
    assert _names(plugins, "b") == ["three", "two", "one"]
    assert _names(plugins, "c") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("x = 1\nif:\n", r"mine\.py:2: invalid syntax", id="syntax"),
        pytest.param("x = 1\n1 / 0\n", r"mine\.py:2: ZeroDivisionError: division by zero", id="raises"),
        pytest.param("import nothing_of_that_name\n", r"mine\.py:1: ModuleNotFoundError", id="import"),
        pytest.param("raise SystemExit(1)\n", r"mine\.py:1: SystemExit: 1", id="exits"),
        pytest.param(
            HEAD + "@score(weight=500)\ndef one(pod, node): ...\n",
            r"mine\.py:3: ValueError: weight",
            id="weight",
        ),
        pytest.param(None, r"mine\.py: No such file", id="missing"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, text, message):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Broken, match=message):
        read(str(file))


def test_a_file_that_does_not_come_to_an_end(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("x = 1\nwhile True:\n    pass\n")
    monkeypatch.setattr("scheduler.python_plugins.files._LOAD_LIMIT_S", 0.02)
    with pytest.raises(Broken, match=r"mine\.py:[23]: not loaded within 0\.02 s"):
        read(str(file))


def test_a_file_may_define_classes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n" + ONE
        + "\n@dataclass\nclass Price:\n    amount: float\n"
    )  # fmt: skip
    assert [plugin.name for plugin in read(str(file))] == ["one"]
