"""Answers why a pod is where it is, or nowhere: what was decided, what would be decided now, what would help.
Called by `scheduler.serving`; pure but for looking at the cluster, which is as before between two steps.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from api.types.core_v1 import Pod
from scheduler.attempt import Attempts
from scheduler.cluster import Cluster
from scheduler.configuration.model import ExtenderConfig
from scheduler.explain import story
from scheduler.explain.advice import Advice, advise
from scheduler.explain.asking import Question, ask_all, pods_away
from scheduler.explain.cures import cure, gather
from scheduler.explain.decisions import SCHEDULED, Decisions, Record
from scheduler.explain.facts import fact
from scheduler.explain.story import Asker, Doc
from scheduler.extenders import interested
from scheduler.groups import group_of

T = TypeVar("T")


@dataclass(frozen=True)
class Inquiry:
    """What is asked: about a pod, of late or of one `uid`; `node` for one node's whole story, `earlier` for
    the decisions before the last one, `columns` for every score and verdict.
    """

    namespace: str
    name: str
    uid: str = ""
    # Where the pod is bound, as the asker has seen it.
    bound: str = ""
    node: str = ""
    earlier: bool = False
    columns: bool = False
    sees_all: bool = False


class Explainer:
    """`extenders` are only told of: they are not asked again."""

    def __init__(
        self,
        cluster: Cluster,
        attempts: Attempts,
        decisions: Decisions,
        extenders: Sequence[ExtenderConfig] = (),
    ) -> None:
        self._cluster = cluster
        self._extenders = extenders
        self._attempts = attempts
        self._decisions = decisions

    def answer(self, inquiry: Inquiry) -> Generator[None, None, Doc | None]:
        """Return the Decision, None if nothing is known of such a pod. Yields whenever the caller may let
        others go on; it may also stop there, if it has waited long enough.
        """
        records = self._decisions.of(inquiry.namespace, inquiry.name)
        if inquiry.uid and (mine := [each for each in records if each.uid == inquiry.uid]):
            records = mine
        last = records[-1] if records else None
        pod = self._pod(inquiry, last)
        if last is None and pod is None:
            return None
        asker = Asker(inquiry.namespace, inquiry.sees_all)
        doc = self._told(last, pod, asker, inquiry)
        if inquiry.earlier:
            doc["earlier"] = [story.of_record(each, asker) for each in reversed(records[:-1])]
        if pod is not None and self._cluster.profile_of(pod) is not None:
            yield from self._asked(doc, pod, asker, inquiry)
        if inquiry.node:
            then = story.node_then(last, inquiry.node) if last is not None else None
            doc.setdefault("onNode", {"node": inquiry.node})["then"] = then
        return doc

    def _pod(self, inquiry: Inquiry, last: Record | None) -> Pod | None:
        """Return the pod as the scheduler knows it; None if it is gone, or not this scheduler's."""
        uid = inquiry.uid or (last.uid if last is not None else "")
        entry = self._cluster.queue.find(uid)
        if entry is not None:
            return entry.pod
        for node in {inquiry.bound, last.node if last is not None else ""}:
            for pod in self._cluster.pods_on(node):
                if pod["metadata"]["uid"] == uid:
                    return pod
        return None

    def _told(self, last: Record | None, pod: Pod | None, asker: Asker, inquiry: Inquiry) -> Doc:
        if last is not None:
            doc = story.of_record(last, asker, inquiry.columns)
        else:
            assert pod is not None
            metadata, node = pod["metadata"], pod["spec"].get("nodeName")
            text = "No decision is kept: the pod got its node before this scheduler started, or from another."
            doc = story.head(
                metadata["namespace"],
                metadata["name"],
                metadata["uid"],
                "Unknown" if node else "Waiting",
                text if node else "The scheduler has not looked at the pod yet.",
            )
            doc |= {"node": node} if node else {}
        if last is not None and pod is None:
            doc["gone"] = True
        groups, key = self._cluster.groups, group_of(pod) if pod is not None else None
        if key is not None and groups.followed:
            doc["podGroup"] = story.of_group(key.name, groups.get(key))
        return doc

    def _asked(self, doc: Doc, pod: Pod, asker: Asker, inquiry: Inquiry) -> Generator[None, None, None]:
        """Add what would be decided now."""
        bound = bool(pod["spec"].get("nodeName"))
        if bound and not inquiry.node:
            return
        entry = self._cluster.queue.find(pod["metadata"]["uid"])
        if not bound and entry is not None:
            doc["queue"] = entry.where
            if (gate := self._gate(pod)) is not None:
                doc |= {"outcome": "Gated", "message": gate}
        if unasked := interested(self._extenders, pod):
            doc["notAsked"] = [extender.url_prefix for extender in unasked]
        yield
        question = self._question(pod)
        with self._aside(pod):
            detail = ask_all(question)
            facts = self._facts(question, inquiry.node)
        if not bound:
            doc["now"] = story.now_of(detail)
        if inquiry.node:
            doc["onNode"] = {"node": inquiry.node, "now": story.node_now(detail, inquiry.node, facts)}
            if question.snapshot.index.get(inquiry.node) is not None:
                cures = yield from self._resting(pod, cure(question, self._pods_on, inquiry.node))
                doc["onNode"] |= story.of_cures(cures, asker)
        elif not detail.feasible.any() and doc["outcome"] != SCHEDULED:
            advice = yield from self._resting(pod, gather(advise(question, self._pods_on)))
            doc["advice"] = [story.of_advice(each, asker) for each in _varied(advice)]
            if not advice and (near := story.nearest(detail)) is not None:
                doc["nearest"] = near

    def _question(self, pod: Pod) -> Question:
        profile = self._cluster.profile_of(pod)
        assert profile is not None, "asked before"
        return Question(self._attempts.cycle_of(pod, profile), profile)

    def _gate(self, pod: Pod) -> str | None:
        profile, objects = self._cluster.profile_of(pod), self._cluster.objects
        plugins = profile.pre_enqueues if profile is not None else ()
        reasons = (plugin.pre_enqueue(pod, objects) for plugin in plugins)
        return next((reason for reason in reasons if reason is not None), None)

    def _facts(self, question: Question, node: str) -> dict[str, str]:
        slot = question.snapshot.index.get(node)
        if slot is None:
            return {}
        return {plugin.name: fact(question.cycle, plugin.name, slot) for plugin in question.profile.filters}

    def _pods_on(self, node: str) -> Iterable[Pod]:
        return self._cluster.pods_on(node)

    @contextmanager
    def _aside(self, pod: Pod) -> Iterator[None]:
        """Within the block the snapshot is as if the pod were to be placed anew."""
        with (
            pods_away(self._cluster.snapshot, [pod["metadata"]["uid"]]),
            self._cluster.reserved(pod),
        ):
            yield

    def _resting(self, pod: Pod, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        """Go through steps, each with the pod aside; between them everything is as it is."""
        while True:
            with self._aside(pod):
                try:
                    next(steps)
                except StopIteration as end:
                    result: Any = end.value
                    return result  # type: ignore[no-any-return]
            yield


def _varied(advice: list[Advice]) -> list[Advice]:
    """Return the smallest changes, at most two of a kind."""
    kinds: dict[str, int] = {}
    found = []
    for each in advice:
        kinds[each.kind] = kinds.get(each.kind, 0) + 1
        if kinds[each.kind] <= 2:
            found.append(each)
    return found[: story.ADVICE]
