"""StatefulSets. Spec: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation ValidateStatefulSet (1.36)."""

from api import field, names
from api.apps.template import (
    at_most,
    is_zero,
    non_negative,
    not_decremented,
    percent_at_most_100,
    percent_or_int,
    rolling_update,
    validate_replicas,
    validate_selector,
    validate_template_of,
)
from api.codec.shapes import equal
from api.core.persistentvolumeclaim import default_spec as default_claim_spec
from api.core.pod_defaults import default_template
from api.defaulting import defaulting, each, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_STATUS_NUMBERS = (
    "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
    "observedGeneration", "collisionCount",
)  # fmt: skip
_RETENTION = ("Retain", "Delete")
_UPDATABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


_strategy = rolling_update({"partition": 0})
_retention = defaulting(empty={"whenDeleted": "Retain", "whenScaled": "Retain"})


_claim = defaulting(
    empty={"apiVersion": "v1", "kind": "PersistentVolumeClaim"},
    absent={"status": {"phase": "Pending"}},
    nested={"spec": struct(default_claim_spec)},
)

defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"replicas": 1, "revisionHistoryLimit": 10},
                empty={"podManagementPolicy": "OrderedReady"},
                nested={
                    "updateStrategy": struct(_strategy),
                    "persistentVolumeClaimRetentionPolicy": struct(_retention),
                    "template": struct(default_template),
                    "volumeClaimTemplates": each(_claim),
                },
            )
        ),
        "status": defaulting(absent={"replicas": 0, "availableReplicas": 0}),
    }
)


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    policy = spec.get("podManagementPolicy", "")
    if policy not in ("OrderedReady", "Parallel"):
        at = _SPEC.child("podManagementPolicy")
        errors.append(field.invalid(at, policy, "must be 'OrderedReady' or 'Parallel'") if policy
                      else field.required(at))  # fmt: skip
    errors += _strategy_errors(spec.get("updateStrategy") or {}, _SPEC.child("updateStrategy"))
    at = _SPEC.child("persistentVolumeClaimRetentionPolicy")
    for name, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        if value not in _RETENTION:
            errors.append(field.not_supported(at.child(name), value, _RETENTION))
    errors += validate_replicas(spec, _SPEC)
    start = (spec.get("ordinals") or {}).get("start", 0)
    if start < 0:
        errors.append(
            field.invalid(_SPEC.child("ordinals.start"), start, "must be greater than or equal to 0")
        )
    errors += validate_selector(spec.get("selector"), _SPEC.child("selector"), "statefulset")
    return errors + validate_template_of(spec, _SPEC, "StatefulSet")


def _strategy_errors(strategy: Obj, path: Path) -> list[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = path.child("rollingUpdate")
    if not kind:
        return [field.required(path)]
    if kind == "OnDelete":
        text = "only allowed for updateStrategy 'RollingUpdate'"
        return [] if rolling is None else [field.invalid(at, rolling, text)]
    if kind != "RollingUpdate":
        return [field.invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
    errors = non_negative(rolling or {}, "partition", at)
    most = (rolling or {}).get("maxUnavailable")
    if most is not None:
        errors += percent_or_int(most, at.child("maxUnavailable"))
        errors += percent_at_most_100(most, at.child("maxUnavailable"))
        if is_zero(most):
            errors.append(field.invalid(at.child("maxUnavailable"), most, "cannot be 0"))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True, rule=names.is_dns1123_label)
    return errors + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + _spec_errors(spec)
    if not equal({**spec, **dict.fromkeys(_UPDATABLE)}, {**before, **dict.fromkeys(_UPDATABLE)}):
        text = (
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden"
        )
        errors.append(field.forbidden(_SPEC, text))
    return errors


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    status, path = new.get("status") or {}, Path("status")
    errors: list[FieldError] = []
    for name in _STATUS_NUMBERS:
        errors += non_negative(status, name, path)
    errors += at_most(
        status,
        path,
        ("readyReplicas", "replicas"),
        ("currentReplicas", "replicas"),
        ("updatedReplicas", "replicas"),
        ("availableReplicas", "replicas"),
    )
    errors += not_decremented(status, old.get("status") or {}, "collisionCount", path)
    return errors + validate_metadata_update(new, old)
