"""Starting one component."""

import logging
import sys
import types
from dataclasses import dataclass

import pytest

from cli.verbs import component


@dataclass(frozen=True)
class Config:
    log_level: str = "info"


@pytest.fixture
def toy(monkeypatch):
    """A component that ends at once and notes the level of its logs."""
    seen = []

    async def run(config):
        seen.append(logging.getLogger().level)

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setitem(sys.modules, "toy_config", types.SimpleNamespace(Config=Config))
    monkeypatch.setitem(sys.modules, "toy_app", types.SimpleNamespace(run=run))
    monkeypatch.setitem(component.COMPONENTS, "toy", ("toy_config", "toy_app", "Ends."))
    yield seen
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_log_level_is_obeyed(toy):
    component.main("toy", ["--log-level=debug"])
    component.main("toy", [])
    assert toy == [logging.DEBUG, logging.INFO]


def test_a_level_that_does_not_exist_is_refused(toy):
    with pytest.raises(SystemExit, match="must be one of debug, info, warning, error"):
        component.main("toy", ["--log-level=loud"])
