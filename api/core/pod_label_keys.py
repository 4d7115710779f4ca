"""What `matchLabelKeys` of spread constraints and affinity terms mean for a new pod: more of the selector.

Called by the API server as a pod is created: later changes of labels do not move the meaning.
Source: pkg/registry/core/pod/strategy.go mutatePodAffinity, mutateTopologySpreadConstraints (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.resource import Obj

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def with_label_keys(pod: Obj) -> Obj:
    """Return the pod with the keys of its terms in their selectors; the same if there are none."""
    spec = pod.get("spec") or {}
    labels = pod["metadata"].get("labels") or {}
    changes: Obj = {}
    if constraints := spec.get("topologySpreadConstraints"):
        changes["topologySpreadConstraints"] = [_term(constraint, labels) for constraint in constraints]
    if affinity := spec.get("affinity"):
        changes["affinity"] = _affinity(affinity, labels)
    return {**pod, "spec": {**spec, **changes}} if changes else pod


def _affinity(affinity: Obj, labels: Mapping[str, str]) -> Obj:
    made = {
        name: _merged(affinity[name], labels)
        for name in ("podAffinity", "podAntiAffinity")
        if affinity.get(name)
    }
    return {**affinity, **made}


def _merged(part: Obj, labels: Mapping[str, str]) -> Obj:
    new: Obj = {}
    if terms := part.get(_REQUIRED):
        new[_REQUIRED] = [_term(term, labels) for term in terms]
    if wishes := part.get(_PREFERRED):
        new[_PREFERRED] = [_wish(wish, labels) for wish in wishes]
    return {**part, **new}


def _wish(wish: Obj, labels: Mapping[str, str]) -> Obj:
    term = wish.get("podAffinityTerm") or {}
    return {**wish, "podAffinityTerm": _term(term, labels)}


def _term(term: Obj, labels: Mapping[str, str]) -> Obj:
    selector: Any = term.get("labelSelector")
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(name) or ()
        if key in labels
    ]
    if selector is None or not added:
        return term
    expressions = [*(selector.get("matchExpressions") or ()), *added]
    return {**term, "labelSelector": {**selector, "matchExpressions": expressions}}
