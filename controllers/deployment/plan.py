"""deployment-controller: one ReplicaSet per version of the template, and the move from old to current.

    paused, or the wanted number has changed --> scale what is there in proportion
    Recreate      --> old to 0 --> no old pod left --> current to the wanted number
    RollingUpdate --> current up within the surge --> old down within what may be unavailable --> ...
    complete      --> delete old ReplicaSets beyond the history limit

Each call takes one of these steps; the ReplicaSets' answers bring the next call.
Source: pkg/controller/deployment (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.conditions import find
from api.labels import from_label_selector
from api.owners import is_controlled_by
from api.podspec import is_terminal
from api.resource import Key, Obj
from api.types.apps_v1 import DEPLOYMENTS, REPLICASETS, Deployment, ReplicaSet
from api.types.core_v1 import PODS
from controllers.claims import claim, label_selector_of, owners_by_selector
from controllers.deployment import status as progress
from controllers.deployment.revisions import (
    DESIRED,
    MAXIMUM,
    REVISION,
    by_age,
    current_annotations,
    find_new,
    new_replica_set,
    next_revision,
    revision_of,
    size_annotations,
    to_clean_up,
)
from controllers.deployment.sizes import (
    RECREATE,
    ROLLING,
    Sizes,
    is_saturated,
    new_size,
    replicas_of,
    roll_new,
    roll_old,
    spread,
    strategy_of,
)
from controllers.framework.controller import BY_CONTROLLER, View, Watch, controller, controller_uids
from controllers.framework.plan import Change, Create, Patch, Plan, Record, SetStatus, delete, patch


@dataclass
class _Roll:
    """One call's picture: the ReplicaSets by role, oldest first, and what has been decided."""

    deployment: Deployment
    view: View
    now: datetime
    sets: list[ReplicaSet]
    new: ReplicaSet | None
    old: list[ReplicaSet]
    sizes: Sizes
    changes: list[Change]
    # Conditions and the like that come before the computed status.
    status: Obj


def _owner_of_pods(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    """A pod that goes may be the last old one of a Deployment that recreates."""
    for uid in controller_uids(pod):
        for rs in view.by(REPLICASETS, "uid", uid):
            for ref in rs["metadata"].get("ownerReferences") or ():
                if ref.get("controller") and ref["kind"] == "Deployment":
                    found = view.get(DEPLOYMENTS, rs["metadata"]["namespace"], ref["name"])
                    if found is not None and strategy_of(found) == RECREATE:
                        yield Key(rs["metadata"]["namespace"], ref["name"])


@controller(
    "deployment-controller",
    of=DEPLOYMENTS,
    owns=(REPLICASETS,),
    watches={REPLICASETS: owners_by_selector(DEPLOYMENTS), PODS: Watch(_owner_of_pods, is_terminal)},
    indexes={
        REPLICASETS: {"uid": lambda rs: [rs["metadata"]["uid"]]},
        PODS: {BY_CONTROLLER: controller_uids},
    },
)
def deployment(deployment: Deployment, view: View, now: datetime) -> Plan:
    if label_selector_of(deployment).empty:
        return _refuse_everything(deployment)
    selector = from_label_selector(deployment["spec"].get("selector"))
    claimed = claim(deployment, DEPLOYMENTS, REPLICASETS, selector, view)
    sets = sorted(claimed.mine, key=by_age)
    new = find_new(deployment, sets)
    roll = _Roll(
        deployment=deployment,
        view=view,
        now=now,
        sets=sets,
        new=new,
        old=[rs for rs in sets if rs is not new],
        sizes=Sizes(sets),
        changes=[*claimed.changes],
        status=dict(deployment.get("status") or {}),
    )
    if "deletionTimestamp" in deployment["metadata"]:
        return _finish(roll, with_progress=False)
    _note_pause(roll)
    if deployment["spec"].get("paused"):
        _keep_current(roll)
        _scale(roll)
        _clean_up(roll)
        return _finish(roll, with_progress=False)
    if _is_scaling(roll):
        _keep_current(roll)
        _scale(roll)
        return _finish(roll, with_progress=False)
    if strategy_of(deployment) == RECREATE:
        _recreate(roll)
    else:
        _roll(roll)
    return _finish(roll)


def _refuse_everything(deployment: Deployment) -> Plan:
    message = "This deployment is selecting all pods. A non-empty selector is required."
    changes: list[Change] = [Record(deployment, "Warning", "SelectingAll", message)]
    status: Obj = dict(deployment.get("status") or {})
    generation = deployment["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        changes.append(SetStatus(DEPLOYMENTS, deployment, {**status, "observedGeneration": generation}))
    return Plan(tuple(changes))


def _note_pause(roll: _Roll) -> None:
    """Say in the condition Progressing that a pause has begun or has ended."""
    if not progress.has_deadline(roll.deployment):
        return
    present = find(roll.status.get("conditions"), "Progressing")
    reason = present.get("reason") if present else ""
    if reason == progress.TIMED_OUT:
        return
    paused = bool(roll.deployment["spec"].get("paused"))
    if paused and reason != "DeploymentPaused":
        _set_progress(roll, "Unknown", "DeploymentPaused", "Deployment is paused")
    elif not paused and reason == "DeploymentPaused":
        _set_progress(roll, "Unknown", "DeploymentResumed", "Deployment is resumed")


def _set_progress(roll: _Roll, status: str, reason: str, message: str) -> None:
    condition = progress.new_condition("Progressing", status, reason, message, roll.now)
    roll.status["conditions"] = progress.set_condition(roll.status.get("conditions") or [], condition)


# --- the current ReplicaSet ---


def _keep_current(roll: _Roll) -> bool:
    """Bring the current ReplicaSet's annotations up to date; say whether there is one."""
    if roll.new is None:
        return False
    deployment, new = roll.deployment, roll.new
    revision = next_revision(roll.old)
    annotations = current_annotations(deployment, new, revision)
    body: Obj = {}
    if annotations:
        body["metadata"] = {"annotations": annotations}
    min_ready_s = deployment["spec"].get("minReadySeconds", 0)
    if new["spec"].get("minReadySeconds", 0) != min_ready_s:
        body["spec"] = {"minReadySeconds": min_ready_s}
    if body:
        roll.changes.append(patch(REPLICASETS, new, body, guarded=False))
    if progress.has_deadline(deployment) and find(roll.status.get("conditions"), "Progressing") is None:
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        _set_progress(roll, "True", "FoundNewReplicaSet", message)
    return True


def _ensure_current(roll: _Roll) -> bool:
    """As `_keep_current`; if there is none, create it. Say whether it is there already."""
    if _keep_current(roll):
        return True
    deployment, metadata = roll.deployment, roll.deployment["metadata"]
    size = new_size(deployment, 0, roll.sizes.total(roll.old))
    made = new_replica_set(deployment, next_revision(roll.old), size)
    name = made["metadata"]["name"]
    taken = roll.view.get(REPLICASETS, metadata.get("namespace", ""), name)
    if taken is not None and not is_controlled_by(taken, deployment):
        # The name belongs to something else: count the collision, which makes another hash.
        roll.status["collisionCount"] = (roll.status.get("collisionCount") or 0) + 1
        return False
    roll.changes.append(Create(REPLICASETS, made, metadata.get("namespace", "")))
    if size > 0:
        _record_scaling(roll, name, 0, size)
    failure = roll.view.failure
    if not progress.has_deadline(deployment):
        return False
    if failure is not None and failure.action == "Create":
        _set_progress(roll, "False", "ReplicaSetCreateError", failure.message)
    else:
        _set_progress(roll, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    return False


# --- steps ---


def _is_scaling(roll: _Roll) -> bool:
    """Say whether the wanted number has changed since an active ReplicaSet was last scaled."""
    wanted = replicas_of(roll.deployment)
    noted = [_noted(rs, DESIRED) for rs in roll.sets if replicas_of(rs) > 0]
    return any(desired is not None and desired != wanted for desired in noted)


def _noted(rs: ReplicaSet, annotation: str) -> int | None:
    text = (rs["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.lstrip("-").isdigit() else None


def _scale(roll: _Roll) -> None:
    """Bring the sizes to the wanted number without going on with a roll-out."""
    sizes, deployment, new = roll.sizes, roll.deployment, roll.new
    active = [rs for rs in roll.sets if sizes[rs] > 0]
    if len(active) <= 1:
        latest = active[0] if active else new or (roll.old[-1] if roll.old else None)
        if latest is not None:
            sizes[latest] = replicas_of(deployment)
    elif is_saturated(deployment, new, _noted(new, DESIRED) if new else None):
        for rs in roll.old:
            sizes[rs] = 0
    elif strategy_of(deployment) == ROLLING:
        before = {rs["metadata"]["name"]: _noted(rs, MAXIMUM) or 0 for rs in active}
        spread(deployment, active, sizes, before)
    _resize(roll, active)


def _roll(roll: _Roll) -> None:
    if not _ensure_current(roll) or roll.new is None:
        return
    moved = roll_new(roll.deployment, roll.new, roll.old, roll.sizes)
    if not moved:
        moved = roll_old(roll.deployment, roll.new, roll.old, roll.sizes)
    _resize(roll)
    if not moved and progress.is_complete(roll.deployment, _computed(roll)):
        _clean_up(roll)


def _recreate(roll: _Roll) -> None:
    _keep_current(roll)
    if any(replicas_of(rs) > 0 for rs in roll.old):
        for rs in roll.old:
            roll.sizes[rs] = 0
        _resize(roll)
        return
    if _old_pods_remain(roll) or not _ensure_current_once(roll) or roll.new is None:
        return
    roll.sizes[roll.new] = replicas_of(roll.deployment)
    _resize(roll)
    if not roll.sizes.changed and progress.is_complete(roll.deployment, _computed(roll)):
        _clean_up(roll)


def _ensure_current_once(roll: _Roll) -> bool:
    return True if roll.new is not None else _ensure_current(roll)


def _old_pods_remain(roll: _Roll) -> bool:
    if any((rs.get("status") or {}).get("replicas", 0) > 0 for rs in roll.old):
        return True
    return any(not is_terminal(pod) for rs in roll.old for pod in roll.view.owned(PODS, rs))


def _clean_up(roll: _Roll) -> None:
    roll.changes += [delete(REPLICASETS, rs) for rs in to_clean_up(roll.deployment, roll.old)]


# --- writing it down ---


def _resize(roll: _Roll, annotate: Iterable[ReplicaSet] = ()) -> None:
    """Patch every ReplicaSet whose size has changed; those of `annotate` also when only annotations have."""
    wanted = size_annotations(roll.deployment)
    noting = {rs["metadata"]["name"] for rs in annotate}
    for rs in roll.sets:
        name, before, after = rs["metadata"]["name"], replicas_of(rs), roll.sizes[rs]
        present = rs["metadata"].get("annotations") or {}
        outdated = any(present.get(key) != value for key, value in wanted.items())
        if before != after or (name in noting and outdated):
            body: Obj = {"metadata": {"annotations": wanted}, "spec": {"replicas": after}}
            roll.changes.append(_merged(roll, rs, body))
        if before != after:
            _record_scaling(roll, name, before, after)


def _merged(roll: _Roll, rs: ReplicaSet, body: Obj) -> Change:
    """Return one patch for `rs` that holds what has been planned for it before, too."""
    annotations, spec = dict(body["metadata"]["annotations"]), dict(body["spec"])
    if roll.new is rs:
        annotations.update(current_annotations(roll.deployment, rs, next_revision(roll.old)))
    if roll.new is rs:
        spec["minReadySeconds"] = roll.deployment["spec"].get("minReadySeconds", 0)
    key = (rs["metadata"].get("namespace", ""), rs["metadata"]["name"])
    roll.changes[:] = [
        change
        for change in roll.changes
        if not (isinstance(change, Patch) and change.kind == "merge" and change.key == key)
    ]
    return patch(REPLICASETS, rs, {"metadata": {"annotations": annotations}, "spec": spec})


def _record_scaling(roll: _Roll, name: str, before: int, after: int) -> None:
    direction = "up" if after > before else "down"
    message = f"Scaled {direction} replica set {name} from {before} to {after}"
    roll.changes.append(Record(roll.deployment, "Normal", "ScalingReplicaSet", message))


def _computed(roll: _Roll) -> Obj:
    seen: Any = {**roll.deployment, "status": roll.status}
    return progress.compute_status(seen, roll.sets, roll.new, roll.sizes.total(roll.sets), roll.now)


def _finish(roll: _Roll, with_progress: bool = True) -> Plan:
    """Add the status, if it differs, and the Deployment's own revision annotation."""
    status = _computed(roll)
    seen: Any = {**roll.deployment, "status": roll.status}
    if with_progress:
        status = progress.with_progress(seen, status, roll.sets, roll.new, roll.now)
    target: Any = roll.deployment
    revision = _revision(roll)
    annotations = roll.deployment["metadata"].get("annotations") or {}
    if revision and annotations.get(REVISION) != revision:
        metadata = {**target["metadata"], "annotations": {**annotations, REVISION: revision}}
        target = {**target, "metadata": metadata}
    if target is not roll.deployment or status != (roll.deployment.get("status") or {}):
        roll.changes.append(SetStatus(DEPLOYMENTS, target, status))
    return Plan(tuple(roll.changes), progress.deadline_in_s(seen, status, roll.now))


def _revision(roll: _Roll) -> str:
    """Return the revision that the current ReplicaSet has, or gets in this plan."""
    if roll.new is None:
        return ""
    return str(max(revision_of(roll.new), next_revision(roll.old)))
