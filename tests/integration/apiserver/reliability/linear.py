"""Is a history of reads and compare-and-set writes of one key linearizable?

Wing and Gong's search with Lowe's memory of what was tried: at each point some operation that had begun
before any unfinished one had ended comes next. An operation whose outcome is unknown may take effect at any
time after its beginning, or never. The register holds None (no object) or the text that its last writer
wrote; no two writes write the same text, so a text names a state. Cross-checked against brute force in
`test_linear.py`.

    create   ok: None -> value         exists: there is something        unknown: if None -> value
    update   ok: expected -> value     conflict: something else          missing: None
    put      ok: anything there -> value                                 missing: None
    delete   ok: anything there (or `expected`) -> None                  missing, conflict
    read     ok: value is there        missing: None
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CREATE, UPDATE, PUT, DELETE, READ = "create", "update", "put", "delete", "read"
OK, EXISTS, CONFLICT, MISSING, UNKNOWN = "ok", "exists", "conflict", "missing", "unknown"

State = str | None


@dataclass(frozen=True)
class Op:
    """One operation on a key. `ended` is infinite if its outcome is unknown; `revision` 0 if not told."""

    kind: str
    outcome: str
    began: float
    ended: float
    value: str = ""
    expected: str = ""
    revision: int = 0


def successors(op: Op, state: State) -> list[State]:
    """Return the states in which the register may be after `op` at `state`; none: it cannot come here."""
    if op.outcome == UNKNOWN:
        return [after for after in {_effect(op, state), state}]  # noqa: C416 (a set of None and text is unsorted)
    if op.kind == READ:
        return [state] if state == (op.value if op.outcome == OK else None) else []
    if op.outcome == OK:
        return [_effect(op, state)] if _applies(op, state) else []
    if op.outcome == EXISTS:
        return [state] if state is not None else []
    if op.outcome == MISSING:
        return [state] if state is None else []
    return [state] if state is not None and state != op.expected else []


def _applies(op: Op, state: State) -> bool:
    if op.kind == CREATE:
        return state is None
    return state is not None and (not op.expected or state == op.expected)


def _effect(op: Op, state: State) -> State:
    if op.kind == READ or not _applies(op, state):
        return state
    return None if op.kind == DELETE else op.value


def is_linearizable(ops: Iterable[Op], first: State = None) -> bool:
    """Say whether some order explains every outcome."""
    return not stuck_at(ops, first)


def stuck_at(ops: Iterable[Op], first: State = None) -> list[Op]:
    """Return the operations that the longest explanation leaves unexplained, [] if it explains all."""
    known = sorted((op for op in ops if op.outcome != UNKNOWN), key=lambda op: op.began)
    unknown = sorted((op for op in ops if op.outcome == UNKNOWN and op.kind != READ), key=lambda op: op.began)
    every = [*known, *unknown]
    whole = (1 << len(known)) - 1
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[int, State]] = [(0, first)]
    best = 0
    while stack:
        done, state = stack.pop()
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if done & whole == whole:
            return []
        best = max(best, done & whole, key=int.bit_count)
        for number in _candidates(every, len(known), done):
            stack += [(done | 1 << number, after) for after in successors(every[number], state)]
    return [op for number, op in enumerate(known) if not best >> number & 1]


def _candidates(every: Sequence[Op], known: int, done: int) -> list[int]:
    """Return what may come next: begun before the first end among what is left."""
    found: list[int] = []
    horizon = math.inf
    # The lowest number that is left; those before it are all done.
    start = ((~done) & (done + 1)).bit_length() - 1
    for number in range(start, known):
        op = every[number]
        if op.began > horizon:
            break
        if not done >> number & 1:
            found.append(number)
            horizon = min(horizon, op.ended)
    found = [number for number in found if every[number].began <= horizon]
    # What is surely right is tried first: the stack gives the last one back first.
    found.sort(key=lambda number: -every[number].ended)
    left = [n for n in range(known, len(every)) if not done >> n & 1 and every[n].began <= horizon]
    return [*left, *found]


def revision_faults(ops: Iterable[Op]) -> list[str]:
    """Return where revisions contradict the order of events in real time; all keys of a store together.

    A text has one revision; a write that began after another one had ended has a larger one.
    """
    ops, of = list(ops), dict[str, int]()
    faults = [
        f"{op.value!r} was told at revisions {of[op.value]} and {op.revision}"
        for op in ops
        if op.revision and op.value and of.setdefault(op.value, op.revision) != op.revision
    ]
    writes = [op for op in ops if op.revision and op.outcome == OK and op.kind not in (READ, DELETE)]
    if len({op.revision for op in writes}) != len(writes):
        faults.append("two writes have one revision")
    highest, by_end = 0, sorted(writes, key=lambda op: op.ended)
    finished = iter(by_end)
    waiting = next(finished, None)
    for op in sorted(writes, key=lambda op: op.began):
        while waiting is not None and waiting.ended < op.began:
            highest = max(highest, waiting.revision)
            waiting = next(finished, None)
        if op.revision <= highest:
            faults.append(f"write {op.value!r} has revision {op.revision}, but {highest} was told before")
    return faults
