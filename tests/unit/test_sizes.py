"""The ratchet on sizes: longer files and functions than the limits need a line here; lines may only leave."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LIMIT = 600
FUNCTION_LIMIT = 80
GENERATED = ("proto/gen/", "api/types/", "tests/data/")

_DEF = re.compile(r"^( *)(?:async )?def (\w+)")

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


def _functions(lines: list[str]) -> list[tuple[str, int]]:
    """Return name and length of every function, by indentation: the formatter guarantees it."""
    found = []
    for start, line in enumerate(lines):
        if not (match := _DEF.match(line)):
            continue
        rest = lines[start + 1 :]
        deeper = match[1] + " "
        inside = (
            n for n, text in enumerate(rest) if text.strip() and not text.startswith((deeper, match[1] + ")"))
        )
        found.append((match[2], next(inside, len(rest)) + 1))
    return found


def test_no_function_is_too_long():
    long = set()
    for name in _sources():
        for function, lines in _functions((ROOT / name).read_text().splitlines()):
            if lines > FUNCTION_LIMIT:
                long.add(f"{name}:{function}")
    assert long == LONG_FUNCTIONS
