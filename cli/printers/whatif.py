"""A report for people. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from api.owners import controller_of
from api.resource import key_of
from api.types.core_v1 import Pod
from scheduler.whatif.report import RESOURCES, Placement, Report, Waiting, summary
from scheduler.whatif.world import is_new

# More rows than this are not read by anybody.
ROWS = 40
# So many kinds of rows are counted after that.
_ALIKE = 10
# So many pods are named for a reason.
NAMES = 3


def render(report: Report) -> str:
    """Return the report as text: who moves, who waits, who ends, how full nodes are."""
    parts = [
        _verdict(report),
        _moves(report),
        _reasons(report),
        _list("Held back", ((key_of(each.pod), _node(each.pod), each.why) for each in report.held)),
        _list("Nobody makes again", ((key_of(each.pod), _node(each.pod), each.why) for each in report.lost)),
        _list(
            "Ended for others",
            (
                (key_of(each.pod), _node(each.pod), each.why)
                for each in report.departures
                if each.why.startswith("preempted")
            ),
        ),
        _load(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(report: Report) -> str:
    new = sum(not each.already for each in report.waiting)
    already = len(report.waiting) - new
    words = [f"{_pods(len(report.placements))} would get a node"]
    if new:
        words.append(f"{_pods(new)} would wait")
    if already:
        words.append(f"{_pods(already)} would go on waiting")
    if report.held:
        words.append(f"{_pods(len(report.held))} would be held back")
    if report.lost:
        words.append(f"{_pods(len(report.lost))} would be lost")
    lines = [", ".join(words) + "."]
    if report.settled:
        verbs = "waits now gets" if report.settled == 1 else "wait now get"
        lines.append(f"({_pods(report.settled)} that {verbs} a node in any case.)")
    return "\n".join(lines)


def _pods(count: int) -> str:
    return f"{count} pod" + ("" if count == 1 else "s")


def _moves(report: Report) -> str:
    """New pods of one controller that share their fate share a row."""
    rows = [(*_who(each), each.node) for each in report.placements]
    rows += [(*_who(each), "<none>") for each in report.waiting]
    counted = Counter(rows)
    found = [(f"{name} x {count}" if count > 1 else name, *rest) for (name, *rest), count in counted.items()]
    return _table(("POD", "FROM", "TO"), found)


def _reasons(report: Report) -> str:
    """Return why pods would wait: each reason once, with some of the pods."""
    found: dict[str, list[str]] = {}
    for each in report.waiting:
        found.setdefault(each.why, []).append(_who(each)[0])
    lines = []
    for why, names in found.items():
        distinct = list(dict.fromkeys(names))
        more = f", and {len(distinct) - NAMES} more" if len(distinct) > NAMES else ""
        lines.append(f"  {', '.join(distinct[:NAMES])}{more}:\n    {why}")
    return "Why pods would wait:\n" + "\n".join(lines) if lines else ""


def _who(each: Placement | Waiting) -> tuple[str, str]:
    """Return whose pod it is, and where that was: a pod that there is now, or the controller of a new one."""
    if each.instead is not None:
        return str(key_of(each.instead.pod)), _node(each.instead.pod) or "<none>"
    owner = controller_of(each.pod)
    if owner is None or not is_new(each.pod):
        return str(key_of(each.pod)), "<new>" if is_new(each.pod) else "<none>"
    return f"{each.pod['metadata']['namespace']}/{owner['name']}", "<new>"


def _node(pod: Pod) -> str:
    return str(pod["spec"].get("nodeName") or "")


def _list(title: str, rows: Iterable[Sequence[object]]) -> str:
    found = [tuple(map(str, row)) for row in rows]
    return f"{title}:\n" + _table(("POD", "NODE", "WHY"), found) if found else ""


def _load(report: Report) -> str:
    rows = []
    for resource in RESOURCES:
        shares = (*summary(report.before, resource), *summary(report.after, resource))
        rows.append((resource, *(f"{share:.0%}" for share in shares)))
    rows.append(("nodes", str(len(report.before)), "", str(len(report.after)), ""))
    return _table(("REQUESTED", "MAX NOW", "MEAN NOW", "MAX THEN", "MEAN THEN"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns; of many, the first, and how many of the others are alike."""
    if not rows:
        return ""
    shown = [heads, *rows[:ROWS]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(rows) > ROWS:
        lines.append(f"... and {len(rows) - ROWS} more (-o json tells all):")
        alike = Counter(tuple(row[1:]) for row in rows[ROWS:])
        lines += [f"{count:>6} x  {'  '.join(row).rstrip()}" for row, count in alike.most_common(_ALIKE)]
    return "\n".join(lines)
