"""Adoption and release: which objects belong to a controller object by its selector, and who says so.

Called by workload controllers. Pure. Source: pkg/controller/controller_ref_manager.go (1.36).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from api.labels import Selector, from_label_selector
from api.owners import new_controller_ref
from api.resource import Key, Resource
from controllers.framework.controller import View, controller_uids
from controllers.framework.plan import Change, patch

T = TypeVar("T", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Claim(Generic[T]):
    """`mine` counts what will be adopted as if it were; `changes` do it."""

    mine: tuple[T, ...]
    changes: tuple[Change, ...]


def claim(
    owner: Mapping[str, Any],
    of: Resource[Any],
    resource: Resource[T],
    selector: Selector,
    view: View,
    eligible: Callable[[T], bool] = lambda obj: True,
) -> Claim[T]:
    """Return the `eligible` objects of `resource` that `owner` has or should have.

    Matching orphans are adopted, owned ones that no longer match released; a dying owner does neither.
    """
    mine: list[T] = []
    changes: list[Change] = []
    is_going = "deletionTimestamp" in owner["metadata"]
    for obj in view.owned(resource, owner):
        if not eligible(obj):
            continue
        if selector.matches(obj["metadata"].get("labels")):
            mine.append(obj)
        elif not is_going:
            changes.append(release(resource, obj, owner))
    if is_going or selector.empty:
        return Claim(tuple(mine), tuple(changes))
    for obj in view.orphans(resource, owner["metadata"].get("namespace", "")):
        metadata = obj["metadata"]
        if "deletionTimestamp" in metadata or not selector.matches(metadata.get("labels")):
            continue
        if eligible(obj):
            mine.append(obj)
            changes.append(adopt(resource, obj, owner, of))
    return Claim(tuple(mine), tuple(changes))


def selects_template(selector: Selector, owner: Mapping[str, Any]) -> bool:
    """Say whether pods of the owner's template would be its own. If not, it would make new ones for ever."""
    metadata = (owner["spec"].get("template") or {}).get("metadata") or {}
    return not selector.empty and selector.matches(metadata.get("labels"))


def adopt(
    resource: Resource[Any], obj: Mapping[str, Any], owner: Mapping[str, Any], of: Resource[Any]
) -> Change:
    """Return the patch that makes `owner` the controller of `obj`."""
    body = {"metadata": {"ownerReferences": [new_controller_ref(owner, of)]}}
    return patch(resource, obj, body, kind="strategic")


def release(resource: Resource[Any], obj: Mapping[str, Any], owner: Mapping[str, Any]) -> Change:
    """Return the patch that takes `owner` from the owners of `obj`."""
    gone = {"$patch": "delete", "uid": owner["metadata"]["uid"]}
    return patch(resource, obj, {"metadata": {"ownerReferences": [gone]}}, kind="strategic", guarded=False)


def owners_by_selector(
    of: Resource[Any], selector_of: Callable[[Any], Selector] | None = None
) -> Callable[[Mapping[str, Any], View], Iterable[Key]]:
    """Return the `watches` function for orphans: the keys of every `of` object whose selector matches one."""
    selects = selector_of or label_selector_of

    def keys(obj: Mapping[str, Any], view: View) -> Iterable[Key]:
        if controller_uids(obj):
            return
        metadata = obj["metadata"]
        for owner in view.list(of, metadata.get("namespace", "")):
            selector = selects(owner)
            if not selector.empty and selector.matches(metadata.get("labels")):
                yield Key(owner["metadata"].get("namespace", ""), owner["metadata"]["name"])

    return keys


def label_selector_of(owner: Mapping[str, Any]) -> Selector:
    return from_label_selector(owner["spec"].get("selector"))
