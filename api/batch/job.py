"""Jobs. The selector and labels of the controller are the API server's business (they need the uid).

Spec: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation ValidateJob (1.36).
"""

from api import field
from api.apps.template import non_negative, validate_template_labels
from api.codec.shapes import equal
from api.core.pod_defaults import default_template
from api.core.pod_template import validate_template
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_MAX_INT32 = (1 << 31) - 1
_RETRIES = 6
_MAX_INDEXED = 100_000
_UID_LABEL, _NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_RESTART = ("OnFailure", "Never")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_NUMBERS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip


def _counts(spec: Obj) -> Obj:
    new: Obj = {}
    if "completions" not in spec and "parallelism" not in spec:
        new = {"completions": 1, "parallelism": 1}
    elif "parallelism" not in spec:
        new["parallelism"] = 1
    if "backoffLimit" not in spec:
        new["backoffLimit"] = _MAX_INT32 if "backoffLimitPerIndex" in spec else _RETRIES
    if "podReplacementPolicy" not in spec:
        new["podReplacementPolicy"] = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    return new


default_spec = defaulting(
    absent={"completionMode": "NonIndexed", "suspend": False},
    nested={"template": struct(default_template)},
    rule=_counts,
)


def defaults(obj: Obj) -> Obj:
    """Fill the spec, and the labels from the template's."""
    old, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    spec = default_spec(old)
    new: Obj = {} if spec is old else {"spec": spec}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not metadata.get("labels"):
        new["metadata"] = {**metadata, "labels": dict(labels)}
    return {**obj, **new} if new else obj


def spec_errors(spec: Obj, path: Path, selector_generated: bool = False) -> list[FieldError]:
    """Check the spec of a job; that in a CronJob has no selector yet."""
    errors: list[FieldError] = []
    for name in _NUMBERS:
        errors += non_negative(spec, name, path)
    if spec.get("completionMode") == "Indexed":
        errors += _indexed_errors(spec, path)
    elif "backoffLimitPerIndex" in spec:
        text = "requires indexed completion mode"
        errors.append(field.invalid(path.child("backoffLimitPerIndex"), spec["backoffLimitPerIndex"], text))
    policy = spec.get("podReplacementPolicy")
    if policy is not None and policy not in _REPLACEMENTS:
        errors.append(field.not_supported(path.child("podReplacementPolicy"), policy, _REPLACEMENTS))
    template, at = spec.get("template") or {}, path.child("template")
    errors += validate_template(template, at)
    restart = (template.get("spec") or {}).get("restartPolicy", "")
    if restart not in _RESTART:
        here = at.child("spec").child("restartPolicy")
        if restart == "Always":
            errors.append(field.required(here, 'valid values: "OnFailure", "Never"'))
        else:
            errors.append(field.not_supported(here, restart, _RESTART))
    if restart != "Never" and "podFailurePolicy" in spec:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(field.invalid(at.child("spec").child("restartPolicy"), restart, text))
    return errors if selector_generated else errors + _selector_errors(spec, path)


def _indexed_errors(spec: Obj, path: Path) -> list[FieldError]:
    completions, parallelism = spec.get("completions"), spec.get("parallelism", 1)
    if completions is None:
        text = "when completion mode is Indexed"
        return [field.required(path.child("completions"), text)]
    if completions > _MAX_INDEXED and parallelism > _MAX_INDEXED:
        text = f"must be less than or equal to {_MAX_INDEXED} when completion mode is Indexed"
        return [field.invalid(path.child("parallelism"), parallelism, text)]
    return []


def _selector_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the selector that a user gave or that the API server made from the job's uid."""
    selector = spec.get("selector")
    if selector is None:
        return []
    errors = validate_label_selector(selector, path.child("selector"))
    return errors or validate_template_labels(selector, spec.get("template"), path)


def with_selector(obj: Obj) -> Obj:
    """Return a new job that selects its own pods, by its uid; one with `manualSelector` is left as it is."""
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    if spec.get("manualSelector") or not metadata.get("uid"):
        return obj
    uid, name = metadata["uid"], metadata.get("name", "")
    template = spec.get("template") or {}
    inner = template.get("metadata") or {}
    selected = {_UID_LABEL: uid}
    labels = {
        **(inner.get("labels") or {}),
        **selected,
        "controller-uid": uid,
        "job-name": name,
        _NAME_LABEL: name,
    }
    made = {**template, "metadata": {**inner, "labels": labels}}
    return {**obj, "spec": {**spec, "template": made, "selector": {"matchLabels": selected}}}


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + spec_errors(obj.get("spec") or {}, _SPEC)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + spec_errors(spec, _SPEC)
    for name in ("completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"):
        indexed = name == "completions" and spec.get("completionMode") == "Indexed"
        if not equal(spec.get(name), before.get(name)) and not indexed:
            errors.append(field.invalid(_SPEC.child(name), spec.get(name), IMMUTABLE))
    if not equal(spec.get("template"), before.get("template")) and not _may_change_template(old):
        errors.append(field.invalid(_SPEC.child("template"), spec.get("template"), IMMUTABLE))
    return errors


def _may_change_template(old: Obj) -> bool:
    """A suspended job that never started may get other scheduling directives."""
    suspended = (old.get("spec") or {}).get("suspend")
    return bool(suspended) and "startTime" not in (old.get("status") or {})
