"""How often a function has failed, whom to tell, and when to stop asking it. Pure.

ok --fails--> told once for each kind of failure --fails LIMIT times in a row--> off --file changes--> ok
 ^                       |
 +------succeeds---------+
"""

from dataclasses import dataclass, field

from scheduler.python_plugins.wrap import Plugin

# Failures in a row after which a function is not asked any more.
LIMIT = 5
# Kinds of failures that are told of one function; more are counted only.
_KINDS = 20


@dataclass(frozen=True)
class Failure:
    """What went wrong in a function, and in which line of its file."""

    plugin: Plugin
    what: str
    line: int
    # Whether nobody has been told of such a failure yet, and whether it was the last one allowed.
    is_new: bool = True
    is_last: bool = False

    @property
    def message(self) -> str:
        plugin = self.plugin
        then = f"switched off after {LIMIT} failures in a row, until the file changes"
        return (
            f"{plugin.point} {plugin.name} ({plugin.path}:{self.line}): {self.what}; "
            f"{then if self.is_last else 'the pod was judged without it'}"
        )


@dataclass
class _Record:
    in_row: int = 0
    told: set[tuple[str, int]] = field(default_factory=set)


class Failures:
    """Of all functions, by identity: a file that is loaded again starts anew."""

    def __init__(self) -> None:
        self._records: dict[Plugin, _Record] = {}

    def is_off(self, plugin: Plugin) -> bool:
        record = self._records.get(plugin)
        return record is not None and record.in_row >= LIMIT

    def succeeded(self, plugin: Plugin) -> None:
        record = self._records.get(plugin)
        if record is not None:
            record.in_row = 0

    def failed(self, plugin: Plugin, kind: str, what: str, line: int) -> Failure:
        """Count a failure. `kind` and `line` say whether it is one that has been told of."""
        record = self._records.setdefault(plugin, _Record())
        record.in_row += 1
        is_new = (kind, line) not in record.told and len(record.told) < _KINDS
        record.told.add((kind, line))
        return Failure(plugin, what, line, is_new, record.in_row == LIMIT)

    def forget(self, plugin: Plugin) -> None:
        self._records.pop(plugin, None)
