"""Every conformance case that needs nothing but an API server has a test here, under its own name."""

import importlib
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parent
# The names of upstream's tests (1.36) that need no controllers, no scheduler, no nodes.
NAMES = FOLDER.parents[2] / "data" / "api_cases.txt"


def cases_of(path):
    """Return the names that the tests of a file bear."""
    module = importlib.import_module(f"tests.integration.apiserver.cases.{path.stem}")
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ())]
    # Those of the parameters of a parametrized test.
    for mark in list(marks):
        if mark.name == "parametrize":
            marks += [inner for value in mark.args[1] for inner in getattr(value, "marks", ())]
    return [mark.args[0] for mark in marks if mark.name == "case"]


def test_every_case_has_a_test():
    found = Counter(name for path in sorted(FOLDER.glob("test_*.py")) for name in cases_of(path))
    wanted = NAMES.read_text().splitlines()
    assert len(wanted) == 114
    assert sorted(set(wanted) - set(found)) == []
