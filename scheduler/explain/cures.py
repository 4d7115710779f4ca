"""What would have to change so that a pod may run on one particular node. Pure; called by `explainer`.

Each plugin that refuses the node is asked by itself for the smallest change that it would accept; then all of
these together are tried.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from api.patch.json import apply_patch
from api.types.core_v1 import Pod
from scheduler.explain.advice import Advice, advise, uncordoned
from scheduler.explain.asking import Question, ask_all, node_changed, only, pods_away


@dataclass(frozen=True)
class Cure:
    """The smallest change after which one plugin lets the pod pass; None if there is none."""

    plugin: str
    advice: Advice | None


@dataclass(frozen=True)
class Cures:
    """What each refusing plugin needs, and whether all changes together are enough."""

    each: tuple[Cure, ...] = ()
    enough: bool = False


def gather(steps: Iterator[Advice | None]) -> Generator[None, None, list[Advice]]:
    """Return all advice, the smallest change first. Yields whenever the caller may rest."""
    found = []
    for each in steps:
        if each is not None:
            found.append(each)
        yield
    return sorted(found, key=lambda each: each.rank)


def cure(
    question: Question, pods_on: Callable[[str], Iterable[Pod]], node: str
) -> Generator[None, None, Cures]:
    """Return what would have to change on a node, nothing if it goes meanwhile. Yields whenever the caller
    may let others change the snapshot.
    """
    snapshot, found = question.snapshot, list[Cure]()
    slot = snapshot.index[node]
    for plugin in dict.fromkeys(verdict.plugin for verdict in ask_all(question).verdicts(slot)):
        yield
        best = yield from gather(advise(question.to([plugin]), pods_on, only(snapshot, [slot])))
        found.append(Cure(plugin, best[0] if best else None))
    if snapshot.index.get(node) != slot:
        return Cures()
    return Cures(tuple(found), _is_enough(question, found, slot))


def _is_enough(question: Question, cures: list[Cure], slot: int) -> bool:
    """Try all changes at once."""
    advice = [each.advice for each in cures if each.advice is not None]
    if len(advice) < len(cures):
        return False
    snapshot = question.snapshot
    with ExitStack() as changes:
        for each in advice:
            changes.enter_context(pods_away(snapshot, [pod["metadata"]["uid"] for pod in each.delete]))
        node = snapshot.nodes[slot]
        if node is not None and any(each.kind == "Uncordon" for each in advice):
            changes.enter_context(node_changed(snapshot, uncordoned(node)))
        changed = question.about(_patched(question.cycle.pod, advice))
        return bool(changed.feasible(only(snapshot, [slot])).any())


def _patched(pod: Pod, advice: list[Advice]) -> Pod:
    """Return the pod with all patches; what stands last in a list goes first, so that places stay right."""
    operations: list[Any] = [operation for each in advice for operation in each.patch]
    operations.sort(key=lambda operation: _place(operation["path"]), reverse=True)
    changed: Any = apply_patch(pod, operations)  # type: ignore[arg-type]
    return changed  # type: ignore[no-any-return]


def _place(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.split("/")]
