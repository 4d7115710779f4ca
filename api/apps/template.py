"""Checks that the workload kinds share: replicas, selectors and their templates, counts in a status.

Source: pkg/apis/apps/validation (1.36).
"""

import re
from collections.abc import Callable

from api import field
from api.core.pod_template import validate_template
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.labels import from_label_selector
from api.meta import validate_label_selector, validate_metadata_update
from api.resource import Obj

NOT_NEGATIVE = "must be greater than or equal to 0"
_PERCENT = re.compile(r"[0-9]+%").fullmatch


def non_negative(obj: Obj, name: str, path: Path) -> list[FieldError]:
    """Check that a number, if it is there, is not below zero."""
    number = obj.get(name)
    if number is None or number >= 0:
        return []
    return [field.invalid(path.child(name), number, NOT_NEGATIVE)]


def not_decremented(status: Obj, before: Obj, name: str, path: Path) -> list[FieldError]:
    """Check that a counter did not go back."""
    if name not in before or status.get(name, -1) >= before[name]:
        return []
    return [field.invalid(path.child(name), status.get(name), "cannot be decremented")]


def at_most(status: Obj, path: Path, *pairs: tuple[str, str]) -> list[FieldError]:
    """Check that the first count of each pair does not exceed the second."""
    return [
        field.invalid(path.child(name), status.get(name, 0), f"cannot be greater than {_words(other)}")
        for name, other in pairs
        if status.get(name, 0) > status.get(other, 0)
    ]


def validate_replica_status(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the status of a ReplicaSet or a ReplicationController."""
    status, path = new.get("status") or {}, Path("status")
    errors = validate_metadata_update(new, old)
    for name in (
        "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
        "terminatingReplicas",
    ):  # fmt: skip
        errors += non_negative(status, name, path)
    return errors + at_most(
        status, path, ("fullyLabeledReplicas", "replicas"), ("readyReplicas", "replicas"),
        ("availableReplicas", "replicas"), ("availableReplicas", "readyReplicas"),
    )  # fmt: skip


def rolling_update(of: Obj) -> Callable[[Obj], Obj]:
    """Return the defaulting of an update strategy: rolling, with these parameters where none are given."""

    def rule(strategy: Obj) -> Obj:
        if strategy["type"] != "RollingUpdate":
            return {}
        rolling = strategy.get("rollingUpdate") or {}
        return {} if of.keys() <= rolling.keys() else {"rollingUpdate": {**of, **rolling}}

    return defaulting(empty={"type": "RollingUpdate"}, rule=rule)


def _words(name: str) -> str:
    return name if name == "readyReplicas" else f"status.{name}"


def validate_replicas(spec: Obj, path: Path) -> list[FieldError]:
    """Check `replicas` and `minReadySeconds`."""
    return non_negative(spec, "replicas", path) + non_negative(spec, "minReadySeconds", path)


def validate_selector(selector: Obj | None, path: Path, kind: str = "deployment") -> list[FieldError]:
    """Check the selector of a workload: it must be there and select something."""
    if selector is None:
        return [field.required(path)]
    errors = validate_label_selector(selector, path)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(field.invalid(path, selector, f"empty selector is invalid for {kind}"))
    return errors


def validate_template_labels(selector: Obj | None, template: Obj | None, spec: Path) -> list[FieldError]:
    """Check that the template makes pods that the selector selects; `spec`: the path of what holds both."""
    path = spec.child("template")
    if template is None:
        return [field.required(path)]
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return []
    labels = (template.get("metadata") or {}).get("labels")
    try:
        if from_label_selector(selector).matches(labels or {}):
            return []
    except ValueError:
        return [field.invalid(spec.child("selector"), selector, "invalid label selector")]
    text = "`selector` does not match template `labels`"
    return [field.invalid(path.child("metadata").child("labels"), labels, text)]


def validate_template_of(spec: Obj, path: Path, kind: str) -> list[FieldError]:
    """Check the template of a workload whose pods restart for ever; `kind` is named in one message."""
    template, at = spec.get("template"), path.child("template")
    errors = validate_template_labels(spec.get("selector"), template, path)
    if template is None:
        return errors
    return errors + validate_lasting(template, at, kind)


def validate_lasting(template: Obj, path: Path, kind: str) -> list[FieldError]:
    """Check a template whose pods restart for ever."""
    errors = validate_template(template, path)
    inner, at = template.get("spec") or {}, path.child("spec")
    if inner.get("restartPolicy") != "Always":
        errors.append(
            field.not_supported(at.child("restartPolicy"), inner.get("restartPolicy", ""), ("Always",))
        )
    if "activeDeadlineSeconds" in inner:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(field.forbidden(at.child("activeDeadlineSeconds"), text))
    return errors


def percent_or_int(value: int | str, path: Path) -> list[FieldError]:
    """Check a number or percentage that may not be negative."""
    if isinstance(value, int):
        return [field.invalid(path, value, NOT_NEGATIVE)] if value < 0 else []
    if _PERCENT(value):
        return []
    text = (
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', "
        "regex used for validation is '[0-9]+%')"
    )
    return [field.invalid(path, value, text)]


def percent_at_most_100(value: int | str, path: Path) -> list[FieldError]:
    """Check that a percentage does not exceed 100 %."""
    if isinstance(value, str) and _PERCENT(value) and int(value[:-1]) > 100:
        return [field.invalid(path, value, "must not be greater than 100%")]
    return []


def is_zero(value: int | str) -> bool:
    """Say whether a number or percentage is zero."""
    return value == 0 if isinstance(value, int) else bool(_PERCENT(value)) and int(value[:-1]) == 0
