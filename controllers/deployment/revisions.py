"""Which ReplicaSet is the current one of a Deployment, and the revisions that its ReplicaSets bear.

Pure. Source: pkg/controller/deployment/util/deployment_util.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.owners import new_controller_ref
from api.resource import Obj
from api.types.apps_v1 import DEPLOYMENTS, Deployment, ReplicaSet
from controllers.deployment.sizes import max_surge, replicas_of
from controllers.digest import digest_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
# Annotations that stay with the Deployment.
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)
# The history of revisions of one ReplicaSet is cut from its beginning to this many characters.
_HISTORY_CHARACTERS = 2000


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """Return the oldest ReplicaSet that has the Deployment's template."""
    wanted = _comparable(deployment["spec"]["template"])
    same = [rs for rs in sets if _comparable(rs["spec"].get("template") or {}) == wanted]
    return min(same, key=by_age, default=None)


def by_age(rs: Mapping[str, Any]) -> tuple[str, str]:
    """Sort key: oldest first."""
    return rs["metadata"].get("creationTimestamp") or "", rs["metadata"]["name"]


def revision_of(obj: Mapping[str, Any]) -> int:
    """Return the revision (64 bits), 0 if there is none or it is not a number."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def next_revision(old: Iterable[ReplicaSet]) -> int:
    return max((revision_of(rs) for rs in old), default=0) + 1


def template_hash(template: Mapping[str, Any], collisions: int | None) -> str:
    """Return the hash that names the ReplicaSet of a template."""
    return digest_of(_comparable(template), collisions)


def new_replica_set(deployment: Deployment, revision: int, replicas: int) -> Obj:
    """Return the ReplicaSet of the present template."""
    template: Any = deployment["spec"]["template"]
    metadata = deployment["metadata"]
    digest = template_hash(template, (deployment.get("status") or {}).get("collisionCount"))
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
    selector: Any = deployment["spec"].get("selector") or {}
    spec: Obj = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
        "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
    }
    if min_ready_s := deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = min_ready_s
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata.get("namespace", ""),
            "labels": labels,
            "annotations": {**copied(deployment), REVISION: str(revision), **size_annotations(deployment)},
            "ownerReferences": [new_controller_ref(deployment, DEPLOYMENTS)],
        },
        "spec": spec,
    }


def copied(deployment: Deployment) -> dict[str, str]:
    """Return the annotations that the current ReplicaSet takes over."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name not in _NOT_COPIED}


def size_annotations(deployment: Deployment) -> dict[str, str]:
    """Return what a later proportional scaling must know."""
    replicas = replicas_of(deployment)
    return {DESIRED: str(replicas), MAXIMUM: str(replicas + max_surge(deployment))}


def current_annotations(deployment: Deployment, rs: ReplicaSet, revision: int) -> dict[str, str]:
    """Return the annotations that an existing current ReplicaSet lacks or has otherwise."""
    present = rs["metadata"].get("annotations") or {}
    wanted = copied(deployment)
    if revision_of(rs) < revision:
        wanted[REVISION] = str(revision)
        if old := present.get(REVISION):
            wanted[REVISION_HISTORY] = _extended(present.get(REVISION_HISTORY, ""), old)
    return {name: value for name, value in wanted.items() if present.get(name) != value}


def _extended(history: str, revision: str) -> str:
    entries = [*history.split(","), revision] if history else [revision]
    while len(entries) > 1 and len(",".join(entries)) > _HISTORY_CHARACTERS:
        entries.pop(0)
    return ",".join(entries)


def to_clean_up(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Return the old ReplicaSets beyond `revisionHistoryLimit` that are empty, lowest revision first."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None or limit == 2**31 - 1:
        return []
    alive = [rs for rs in old if "deletionTimestamp" not in rs["metadata"]]
    surplus = sorted(alive, key=revision_of)[: max(0, len(alive) - limit)]
    return [rs for rs in surplus if _is_empty(rs)]


def _is_empty(rs: ReplicaSet) -> bool:
    status = rs.get("status") or {}
    observed = int(status.get("observedGeneration", 0))
    return (
        not status.get("replicas")
        and not rs["spec"].get("replicas", 1)
        and int(rs["metadata"].get("generation", 0)) <= observed
    )


def _comparable(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template without what tells a ReplicaSet's from its Deployment's."""
    metadata = {name: value for name, value in (template.get("metadata") or {}).items() if value}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}
