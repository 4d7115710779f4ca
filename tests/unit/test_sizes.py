"""The ratchet on sizes: files of more than 600 lines and functions of more than 80 need a line here, and lines may
only leave."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LIMIT = 600
FUNCTION_LIMIT = 80
GENERATED = ("proto/gen/", "api/types/", "tests/data/")

LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()


def _sources() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [
        name for name in listed.stdout.split() if not name.startswith(GENERATED) and (ROOT / name).exists()
    ]


def test_no_file_is_too_long():
    long = {name for name in _sources() if len((ROOT / name).read_text().splitlines()) > FILE_LIMIT}
    assert long == LONG_FILES


def test_no_function_is_too_long():
    long = set()
    for name in _sources():
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LIMIT:
                    long.add(f"{name}:{node.name}")
    assert long == LONG_FUNCTIONS
