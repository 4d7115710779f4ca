"""ControllerRevisions: the versions of a template that a DaemonSet or StatefulSet has had. Pure.

Source: pkg/controller/history controller_history.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.owners import new_controller_ref
from api.resource import Obj, Resource
from api.types.apps_v1 import CONTROLLERREVISIONS, ControllerRevision
from controllers.digest import digest_of
from controllers.framework.plan import Change, Create, delete, patch

HASH_LABEL = "controller-revision-hash"


@dataclass(frozen=True)
class History:
    """`digest` is the present template's; `changes` make its revision exist and be the newest."""

    digest: str
    changes: tuple[Change, ...]


def keep_history(owner: Mapping[str, Any], of: Resource[Any], owned: Iterable[ControllerRevision]) -> History:
    """Return the revision of the owner's present template: an old one with the same data, if any."""
    revisions = sorted(owned, key=lambda each: (each.get("revision", 0), each["metadata"]["name"]))
    data = revision_data(owner["spec"].get("template") or {})
    newest = revisions[-1].get("revision", 0) if revisions else 0
    same = [revision for revision in revisions if _same(revision, data)]
    if same:
        found = same[-1]
        digest = (found["metadata"].get("labels") or {}).get(HASH_LABEL, "")
        if found.get("revision", 0) == newest:
            return History(digest, ())
        return History(digest, (patch(CONTROLLERREVISIONS, found, {"revision": newest + 1}),))
    collisions = (owner.get("status") or {}).get("collisionCount")
    digest = digest_of(owner["spec"].get("template") or {}, collisions)
    namespace = owner["metadata"].get("namespace", "")
    return History(
        digest, (Create(CONTROLLERREVISIONS, _new(owner, of, digest, data, newest + 1), namespace),)
    )


def revision_data(template: Mapping[str, Any]) -> Obj:
    """Return the patch that brings the template back."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def _same(revision: ControllerRevision, data: Obj) -> bool:
    found: Any = revision.get("data")
    return bool(found == data)


def _new(owner: Mapping[str, Any], of: Resource[Any], digest: str, data: Obj, number: int) -> Obj:
    metadata = owner["metadata"]
    labels = ((owner["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "labels": {**labels, HASH_LABEL: digest},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [new_controller_ref(owner, of)],
        },
        "data": data,
        "revision": number,
    }


def to_forget(
    owner: Mapping[str, Any], owned: Sequence[ControllerRevision], used: Iterable[str]
) -> list[Change]:
    """Return the deletions of the oldest revisions beyond the limit whose hash is not in `used`."""
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    live = set(used)
    idle = [each for each in owned if (each["metadata"].get("labels") or {}).get(HASH_LABEL) not in live]
    idle.sort(key=lambda each: each.get("revision", 0))
    return [delete(CONTROLLERREVISIONS, revision) for revision in idle[: max(0, len(idle) - limit)]]
