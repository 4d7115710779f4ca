"""How the pods of a group are scheduled, as PodGroups and the templates of Workloads say it.

    basic   each pod as if it were alone
    gang    at least `minCount` of them at once, or none

Called by `podgroup.py` and `workload.py`.
Source: staging/src/k8s.io/api/scheduling/v1alpha2/types.go (1.36), whose rules are declared at the fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api import field
from api.field import FieldError, Path
from api.resource import Obj

_POLICIES = ("basic", "gang")
# Fields of features that this server does not have: WorkloadAwarePreemption, TopologyAwareWorkloadScheduling,
# DRAWorkloadResourceClaims. They are dropped, as upstream does while those gates are off.
_OTHER_FEATURES = frozenset(
    ("disruptionMode", "priority", "priorityClassName", "schedulingConstraints", "resourceClaims")
)


def policy_errors(policy: Obj, path: Path) -> list[FieldError]:
    """Check a `schedulingPolicy`: exactly one policy, and its numbers."""
    errors = one_of(policy, _POLICIES, path)
    gang = policy.get("gang")
    if gang is None:
        return errors
    count, at = gang.get("minCount") or 0, path.child("gang").child("minCount")
    if not count:
        return [*errors, field.required(at)]
    return [*errors, field.invalid(at, count, "must be greater than or equal to 1")] if count < 1 else errors


def one_of(union: Mapping[str, Any], members: Sequence[str], path: Path) -> list[FieldError]:
    """Check that exactly one member of a union is there.

    Spec: k8s.io/apimachinery/pkg/api/validate/union.go (1.36).
    """
    given = [name for name in members if union.get(name) is not None]
    listed = ", ".join(f"`{name}`" for name in members)
    if not given:
        return [field.invalid(path, "", f"must specify one of: {listed}")]
    if len(given) > 1:
        return [field.invalid(path, f"{{{', '.join(given)}}}", f"must specify exactly one of: {listed}")]
    return []


def without_other_features(spec: Obj) -> Obj:
    """Return a group's spec, or a template, without the fields of features that there are not."""
    if _OTHER_FEATURES.isdisjoint(spec):
        return spec
    return {name: value for name, value in spec.items() if name not in _OTHER_FEATURES}
