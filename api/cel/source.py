"""The text of an expression and the errors found in it, printed as cel-go prints them.

ERROR: <input>:1:8: undeclared reference to 'x' (in container '')
 | 1 + 1 + x
 | .......^
"""

from api.cel.errors import CompileError

# cel-go stops at so many errors.
_MOST_ERRORS = 100


class Report:
    """Gathers the errors of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._found: list[tuple[int, int, str]] = []

    def add(self, pos: int, message: str) -> None:
        """Record an error at an offset of the text; the same error again is not recorded."""
        entry = (*self._location(pos), message)
        if entry not in self._found and len(self._found) < _MOST_ERRORS:
            self._found.append(entry)

    def raise_errors(self) -> None:
        """Raise CompileError if there are errors."""
        if self._found:
            raise CompileError("\n".join(self._picture(*entry) for entry in sorted(self._found)))

    def _location(self, pos: int) -> tuple[int, int]:
        """Return line (from 1) and column (from 0) of an offset."""
        line = self.text.count("\n", 0, pos) + 1
        return line, pos - (self.text.rfind("\n", 0, pos) + 1)

    def _picture(self, line: int, column: int, message: str) -> str:
        head = f"ERROR: <input>:{line}:{column + 1}: {message}"
        if not self.text:
            return head
        row = self.text.split("\n")[line - 1].replace("\t", " ")
        dots = "".join("." if char.isascii() else "\uff0e" for char in row[:column])
        wide = column < len(row) and not row[column].isascii()
        caret = "\uff3e" if wide else "^"
        return f"{head}\n | {row}\n | {dots}{caret}"
