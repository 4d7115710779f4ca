"""The object that users get: kind Decision, group version `scheduling.pelamis.dev/v1alpha1`. Pure.

Read by `kubectl get --raw /api/v1/namespaces/NS/pods/NAME/decision` and by `pelamis why`; its fields are
described in docs/scheduler.md. Only values go in, so that an answer can be put together without the cluster.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np

from api import conditions
from api.times import format_time
from api.types.core_v1 import Pod
from api.types.scheduling_v1alpha2 import PodGroup
from scheduler.explain.advice import Advice
from scheduler.explain.cures import Cures
from scheduler.explain.decisions import PREEMPTING, SCHEDULED, Record
from scheduler.explain.detail import Detail, Scored, Verdict, Weights
from scheduler.snapshot import Mask

GROUP_VERSION = "scheduling.pelamis.dev/v1alpha1"
KIND = "Decision"
# Nodes shown with their scores, and as examples of a reason; advice shown.
BEST, EXAMPLES, ADVICE = 10, 3, 6

Doc: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """Whom an answer is for: other people's pods are named only to those who may list all pods."""

    namespace: str
    sees_all: bool

    def names(self, pods: Iterable[str]) -> Doc:
        """Return pods (namespace/name) as far as they may be named, and how many more there are."""
        every = list(pods)
        shown = [name for name in every if self.sees_all or name.startswith(f"{self.namespace}/")]
        return {"pods": shown, **({"others": len(every) - len(shown)} if len(shown) < len(every) else {})}


def head(namespace: str, name: str, uid: str, outcome: str, message: str) -> Doc:
    """Return the fields that every answer has."""
    metadata = {"name": name, "namespace": namespace, **({"uid": uid} if uid else {})}
    said = {"message": message} if message else {}
    return {
        "kind": KIND,
        "apiVersion": GROUP_VERSION,
        "metadata": metadata,
        "outcome": outcome,
        **said,
    }


def of_group(name: str, group: PodGroup | None) -> Doc:
    """Return what is told of a pod's group: whether it has its places, and why not."""
    if group is None:
        return {"name": name, "message": "it is not there"}
    told = conditions.find((group.get("status") or {}).get("conditions"), "PodGroupScheduled")
    if told is None:
        return {"name": name, "message": "nothing has been decided about it yet"}
    return {"name": name, "scheduled": told["status"], "message": told.get("message", "")}


def of_record(record: Record, asker: Asker, columns: bool = False) -> Doc:
    """Return a decision as it was made; with `columns`, every score and verdict of every node."""
    doc = head(record.namespace, record.name, record.uid, record.outcome, record.message)
    doc |= {
        "scheduler": record.scheduler,
        "time": _time(record.at),
        "attempts": record.attempts,
        "detail": "Full" if record.kept is not None else "Summary",
    }
    if record.times > 1:
        doc |= {"times": record.times, "since": _time(record.since)}
    if record.node:
        doc["node"] = record.node
    if record.outcome == PREEMPTING:
        doc["victims"] = asker.names(record.victims)
    detail = record.detail()
    if detail is not None:
        doc |= _full(record, detail)
        if columns:
            doc["columns"] = _columns(detail)
    elif record.summary is not None:
        summary = record.summary
        doc |= {"feasibleCount": summary.feasible, "refused": _reasons(summary.counts)}
        best = [each for each in (summary.winner, summary.runner_up) if each is not None]
        doc |= _ranking(summary.plugins, best)
    return doc


def _full(record: Record, detail: Detail) -> Doc:
    doc: Doc = {
        "nodeCount": sum(map(bool, detail.names)),
        "feasibleCount": int(detail.feasible.sum()),
        "refused": refused(detail),
    }
    if record.outcome == SCHEDULED and detail.plugins:
        first = record.slot if record.slot >= 0 else None
        doc |= _ranking(detail.plugins, detail.best(BEST, first))
    return doc


def _ranking(plugins: Weights, best: Sequence[Scored]) -> Doc:
    """Return the best nodes with their scores; the first is the chosen one."""
    if not best:
        return {}
    names = [name for name, _ in plugins]
    doc: Doc = {
        "score": best[0].total,
        "plugins": [{"name": name, "weight": weight} for name, weight in plugins],
        "best": [_scored(names, each) for each in best],
    }
    if len(best) > 1:
        doc |= {"margin": best[0].total - best[1].total, "runnerUp": best[1].node}
    return doc


def _scored(names: Sequence[str], each: Scored) -> Doc:
    scores = dict(zip(names, each.scores, strict=True))
    return {"node": each.node, "total": each.total, "scores": scores}


def _columns(detail: Detail) -> Doc:
    """Return everything, by slot; "" names slots without a node."""
    return {
        "nodes": list(detail.names),
        "feasible": detail.feasible.tolist(),
        "scores": {name: row.tolist() for (name, _), row in zip(detail.plugins, detail.scores, strict=True)},
        "refused": [
            {**_verdict(each), "nodes": mask.nonzero()[0].tolist()} for each, mask in detail.refused.items()
        ],
    }


def refused(detail: Detail) -> list[Doc]:
    """Return the reasons with the number of nodes and some of them, the most frequent first."""
    found = [
        {**_verdict(verdict), "nodes": count, "examples": detail.examples(verdict, EXAMPLES)}
        for verdict, count in detail.counts().items()
        if count
    ]
    return sorted(found, key=lambda each: -each["nodes"])


def _reasons(counts: Mapping[Verdict, int]) -> list[Doc]:
    found = [{**_verdict(verdict), "nodes": count} for verdict, count in counts.items() if count]
    return sorted(found, key=lambda each: -each["nodes"])


def _verdict(verdict: Verdict) -> Doc:
    return {"plugin": verdict.plugin, "reason": verdict.reason, "final": verdict.final}


def now_of(detail: Detail) -> Doc:
    """Return what all filters say at the moment."""
    return {
        "nodeCount": sum(map(bool, detail.names)),
        "feasibleCount": int(detail.feasible.sum()),
        "refused": refused(detail),
    }


def nearest(detail: Detail) -> Doc | None:
    """Return the node that the fewest plugins refuse, with what they say; None without nodes."""
    plugins: dict[str, Mask] = {}
    for verdict, mask in detail.refused.items():
        plugins[verdict.plugin] = plugins[verdict.plugin] | mask if verdict.plugin in plugins else mask
    if not plugins:
        return None
    counts = np.sum(list(plugins.values()), axis=0)
    # Slots without a node are refused by nobody.
    slot = int(np.where(counts > 0, counts, len(plugins) + 1).argmin())
    return {"node": detail.names[slot], "refused": [_verdict(each) for each in detail.verdicts(slot)]}


def of_advice(advice: Advice, asker: Asker) -> Doc:
    """Return one change: what to do, how large it is (0-1), and what it would bring."""
    doc: Doc = {
        "kind": advice.kind,
        "text": advice.text,
        "size": round(float(advice.size), 4),
        "node": advice.node,
        "nodes": advice.nodes,
    }
    if advice.patch:
        doc["patch"] = [dict(operation) for operation in advice.patch]
    if advice.delete:
        doc["delete"] = asker.names(map(_name, advice.delete))
    return doc


def node_then(record: Record, node: str) -> Doc | None:
    """Return what was said of one node when the pod was decided about; None if that is not known."""
    detail = record.detail()
    if detail is None:
        return None
    slot = detail.slot(node)
    if slot is None:
        return {"present": False}
    return {"present": True, **_at(detail, slot, record.slot)}


def node_now(detail: Detail, node: str, facts: Mapping[str, str]) -> Doc:
    """Return what all filters say of one node at the moment; `facts` by plugin."""
    slot = detail.slot(node)
    if slot is None:
        return {"present": False}
    doc = {"present": True, **_at(detail, slot)}
    for each in doc["refused"]:
        if facts.get(each["plugin"]):
            each["fact"] = facts[each["plugin"]]
    return doc


def _at(detail: Detail, slot: int, chosen: int = -1) -> Doc:
    doc: Doc = {
        "feasible": bool(detail.feasible[slot]),
        "refused": [_verdict(each) for each in detail.verdicts(slot)],
    }
    if detail.feasible[slot] and detail.plugins:
        names, own = [name for name, _ in detail.plugins], detail.scored(slot)
        best = detail.scored(chosen) if chosen >= 0 else detail.best(1)[0]
        doc |= {"scored": _scored(names, own), "winner": _scored(names, best)}
        doc["better"] = int((detail.totals > own.total).sum())
    return doc


def of_cures(cures: Cures, asker: Asker) -> Doc:
    """Return what would have to change on one node."""
    needs = [
        {"plugin": each.plugin, "advice": of_advice(each.advice, asker) if each.advice is not None else None}
        for each in cures.each
    ]
    return {"needs": needs, "enough": cures.enough}


def _name(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _time(moment: datetime) -> str:
    return format_time(moment)
