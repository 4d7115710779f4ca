"""statefulset-controller: pods with names that stay, started, stopped and replaced in order.

    OrderedReady: 0, 1, 2, ... each one waits until all before it are ready; down from the highest
    Parallel:     all at once; only updates go one by one
    update:       from the highest ordinal down to the partition, one at a time, waiting until it is ready

Source: pkg/controller/statefulset stateful_set_control.go (1.36).
DEVIATION: maxUnavailable counts as 1, and claims are kept (persistentVolumeClaimRetentionPolicy Retain).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.podspec import is_pod_ready, is_terminal
from api.resource import Obj, key_of
from api.types.apps_v1 import CONTROLLERREVISIONS, STATEFULSETS, ControllerRevision, StatefulSet
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PODS, Pod
from controllers.claims import claim, label_selector_of, owners_by_selector, selects_template
from controllers.framework.controller import View, controller
from controllers.framework.plan import Change, Create, Plan, Record, SetStatus, delete
from controllers.history import keep_history, to_forget
from controllers.pods import available_in_s
from controllers.statefulset.pods import missing_claims, new_pod, ordinal_of, revision_of, start_of


@dataclass(frozen=True)
class _Set:
    """One call's picture: the pods by ordinal, and the two revisions."""

    sts: StatefulSet
    view: View
    now: datetime
    pods: Mapping[int, Pod]
    current: str
    update: str
    current_template: Mapping[str, Any]

    @property
    def wanted(self) -> range:
        replicas = self.sts["spec"].get("replicas")
        start = start_of(self.sts)
        return range(start, start + (1 if replicas is None else replicas))

    @property
    def in_order(self) -> bool:
        return self.sts["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"

    @property
    def partition(self) -> int:
        strategy: Any = self.sts["spec"].get("updateStrategy") or {}
        return start_of(self.sts) + int((strategy.get("rollingUpdate") or {}).get("partition", 0))

    def is_available(self, pod: Pod) -> bool:
        min_ready_s = int(self.sts["spec"].get("minReadySeconds", 0))
        return not _is_going(pod) and available_in_s(pod, min_ready_s, self.now) == 0


@controller(
    "statefulset-controller",
    of=STATEFULSETS,
    owns=(PODS, CONTROLLERREVISIONS),
    watches={PODS: owners_by_selector(STATEFULSETS)},
    reads=(PERSISTENTVOLUMECLAIMS,),
)
def statefulset(sts: StatefulSet, view: View, now: datetime) -> Plan:
    selector = label_selector_of(sts)

    def is_ours(pod: Pod) -> bool:
        return ordinal_of(sts, pod) is not None

    claimed = claim(sts, STATEFULSETS, PODS, selector, view, is_ours)
    revisions = list(view.owned(CONTROLLERREVISIONS, sts))
    history = keep_history(sts, STATEFULSETS, revisions)
    update = f"{sts['metadata']['name']}-{history.digest}"
    current = (sts.get("status") or {}).get("currentRevision") or update
    picture = _Set(
        sts=sts,
        view=view,
        now=now,
        pods={ordinal: pod for pod in claimed.mine if (ordinal := ordinal_of(sts, pod)) is not None},
        current=current,
        update=update,
        current_template=_template(sts, revisions, current),
    )
    changes: list[Change] = [*claimed.changes]
    if "deletionTimestamp" not in sts["metadata"] and selects_template(selector, sts):
        changes += history.changes
        changes += _step(picture)
        used = {current, update, *(revision_of(pod) for pod in claimed.mine)}
        digests = {name.rpartition("-")[2] for name in used}
        changes += to_forget(sts, revisions, digests)
    status, wait_s = _status(picture)
    if status != (sts.get("status") or {}):
        changes.append(SetStatus(STATEFULSETS, sts, status))
    return Plan(tuple(changes), wait_s)


def _template(sts: StatefulSet, revisions: Sequence[ControllerRevision], name: str) -> Mapping[str, Any]:
    """Return the template of a revision; the present one if it is not kept any more."""
    for revision in revisions:
        if revision["metadata"]["name"] == name:
            data: Any = revision.get("data") or {}
            template = (data.get("spec") or {}).get("template") or {}
            return {key: value for key, value in template.items() if key != "$patch"}
    return sts["spec"].get("template") or {}


def _is_going(pod: Pod) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _step(picture: _Set) -> list[Change]:
    """Return what may be done now: one thing if order matters."""
    changes: list[Change] = []
    for ordinal in picture.wanted:
        pod = picture.pods.get(ordinal)
        if pod is None:
            changes += _create(picture, ordinal)
        elif is_terminal(pod) and not _is_going(pod):
            changes += _recreate(picture, pod)
        elif picture.is_available(pod):
            continue
        if picture.in_order:
            return changes
    condemned = sorted((o for o in picture.pods if o not in picture.wanted), reverse=True)
    for ordinal in condemned:
        pod = picture.pods[ordinal]
        if not _is_going(pod):
            changes.append(delete(PODS, pod, about=picture.sts))
        if picture.in_order:
            return changes
    return changes or _roll(picture)


def _create(picture: _Set, ordinal: int) -> list[Change]:
    sts = picture.sts
    old = ordinal < picture.partition and picture.current != picture.update
    template = picture.current_template if old else sts["spec"].get("template") or {}
    revision = picture.current if old else picture.update
    pod = new_pod(sts, template, ordinal, revision)
    namespace = sts["metadata"].get("namespace", "")
    return [*missing_claims(sts, ordinal, picture.view), Create(PODS, pod, namespace, about=sts)]


def _recreate(picture: _Set, pod: Pod) -> list[Change]:
    phase = (pod.get("status") or {}).get("phase", "")
    name = key_of(picture.sts)
    message = f"StatefulSet {name} is recreating {phase} Pod {pod['metadata']['name']}"
    return [
        Record(picture.sts, "Warning", "RecreatingFailedPod", message),
        delete(PODS, pod, about=picture.sts),
    ]


def _roll(picture: _Set) -> list[Change]:
    """Replace the highest pod of another revision, unless one above it is not ready yet."""
    strategy: Any = picture.sts["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return []
    for ordinal in reversed(picture.wanted):
        pod = picture.pods.get(ordinal)
        if pod is None or ordinal < picture.partition:
            return []
        if revision_of(pod) != picture.update and not _is_going(pod):
            return [delete(PODS, pod, about=picture.sts)]
        if not picture.is_available(pod):
            return []
    return []


def _status(picture: _Set) -> tuple[Obj, float | None]:
    sts, pods = picture.sts, list(picture.pods.values())
    min_ready_s = int(sts["spec"].get("minReadySeconds", 0))
    alive = [pod for pod in pods if not _is_going(pod)]
    ready = sum(is_pod_ready(pod) for pod in pods)
    counts = {
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": sum(picture.is_available(pod) for pod in pods),
        "currentReplicas": sum(revision_of(pod) == picture.current for pod in alive),
        "updatedReplicas": sum(revision_of(pod) == picture.update for pod in alive),
        "observedGeneration": sts["metadata"].get("generation", 0),
    }
    current = picture.current
    strategy: Any = sts["spec"].get("updateStrategy") or {}
    rolls = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    if rolls and counts["updatedReplicas"] == counts["replicas"] == ready:
        current, counts["currentReplicas"] = picture.update, counts["updatedReplicas"]
    old: Obj = dict(sts.get("status") or {})
    foreign = {name: value for name, value in old.items() if name not in counts}
    always = ("replicas", "availableReplicas")
    shown = {name: value for name, value in counts.items() if value or name in always}
    status: Obj = {**foreign, **shown, "currentRevision": current, "updateRevision": picture.update}
    status.setdefault("collisionCount", 0)
    waits = [wait for pod in alive if (wait := available_in_s(pod, min_ready_s, picture.now))]
    return status, min(waits, default=None)
