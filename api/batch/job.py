"""Jobs. The selector and labels of the controller are the API server's business (they need the uid).

Spec: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation ValidateJob (1.36).
"""

from collections.abc import Mapping

from api import field, names
from api.apps.template import non_negative, validate_template_labels
from api.batch.job_policies import failure_policy_errors, success_policy_errors
from api.batch.job_status import status_update_errors
from api.codec.shapes import equal
from api.core.pod_defaults import default_template
from api.core.pod_template import validate_template
from api.defaulting import Default, defaulting, each, struct
from api.field import FieldError, Path
from api.labels import from_label_selector
from api.meta import IMMUTABLE, validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_MAX_INT32 = (1 << 31) - 1
_RETRIES = 6
# Beyond so many completions a job needs bounds on what else may go wrong.
_MANY = 100_000
_MOST_WITH_MANY = 10_000
_MANAGED_BY_MAX = 63
_MODES = ("NonIndexed", "Indexed")
_UID_LABEL, _NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_NOT_GENERATED = "`selector` not auto-generated"
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


_condition = defaulting(empty={"status": "True"})
_INNER: Mapping[str, Default | struct] = {
    "template": struct(default_template),
    "podFailurePolicy": defaulting(
        nested={"rules": each(defaulting(nested={"onPodConditions": each(_condition)}))}
    ),
}
# What the job in a CronJob's template gets: the rest follows when the job is made.
default_inner_spec = defaulting(nested=_INNER)
default_spec = defaulting(
    absent={"completionMode": "NonIndexed", "suspend": False}, nested=_INNER, rule=_counts
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


def spec_errors(spec: Obj, path: Path, in_template: bool = False) -> list[FieldError]:
    """Check the spec of a job; that in a CronJob has no selector yet."""
    errors: list[FieldError] = []
    for name in _NUMBERS:
        errors += non_negative(spec, name, path)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        errors.append(
            field.required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified")
        )
    errors += _managed_by_errors(spec.get("managedBy"), path.child("managedBy"))
    errors += _mode_errors(spec, path)
    if spec.get("podFailurePolicy") is not None:
        errors += failure_policy_errors(spec, path.child("podFailurePolicy"))
    if spec.get("successPolicy") is not None:
        errors += success_policy_errors(spec, path.child("successPolicy"))
    errors += _replacement_errors(spec, path.child("podReplacementPolicy"))
    errors += _template_errors(spec, path.child("template"))
    return errors if in_template else errors + _selector_errors(spec, path)


def _replacement_errors(spec: Obj, path: Path) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    allowed = _REPLACEMENTS if spec.get("podFailurePolicy") is None else _REPLACEMENTS[:1]
    return [] if policy is None or policy in allowed else [field.not_supported(path, policy, allowed)]


def _template_errors(spec: Obj, path: Path) -> list[FieldError]:
    template, at = spec.get("template") or {}, path.child("spec").child("restartPolicy")
    errors = validate_template(template, path)
    restart = (template.get("spec") or {}).get("restartPolicy", "")
    if restart == "Always":
        errors.append(field.required(at, 'valid values: "OnFailure", "Never"'))
    elif restart not in _RESTART:
        errors.append(field.not_supported(at, restart, _RESTART))
    elif restart != "Never" and spec.get("podFailurePolicy") is not None:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(field.invalid(at, restart, text))
    return errors


def _managed_by_errors(name: str | None, path: Path) -> list[FieldError]:
    if name is None:
        return []
    domain, slash, tail = name.partition("/")
    if not slash or not domain or not tail:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        errors = [field.invalid(path, name, text)] if name else [field.required(path)]
    else:
        errors = [field.invalid(path, domain, text) for text in names.is_dns1123_subdomain(domain)]
    return errors if len(name) <= _MANAGED_BY_MAX else [*errors, field.too_long(path, _MANAGED_BY_MAX)]


def _mode_errors(spec: Obj, path: Path) -> list[FieldError]:
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        return [field.not_supported(path.child("completionMode"), mode, _MODES)]
    if mode == "Indexed":
        return _indexed_errors(spec, path)
    text = "requires indexed completion mode"
    return [
        field.invalid(path.child(name), spec[name], text)
        for name in ("backoffLimitPerIndex", "maxFailedIndexes")
        if name in spec
    ]


def _indexed_errors(spec: Obj, path: Path) -> list[FieldError]:
    completions, parallelism, most = (
        spec.get(name) for name in ("completions", "parallelism", "maxFailedIndexes")
    )
    if completions is None:
        return [field.required(path.child("completions"), "when completion mode is Indexed")]
    at, failing = path.child("parallelism"), path.child("maxFailedIndexes")
    errors: list[FieldError] = []
    if parallelism is not None and parallelism > _MANY:
        text = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        errors.append(field.invalid(at, parallelism, text))
    if most is not None and most > completions:
        errors.append(field.invalid(failing, most, "must be less than or equal to completions"))
    if most is not None and most > _MANY:
        errors.append(field.invalid(failing, most, f"must be less than or equal to {_MANY}"))
    if completions <= _MANY or "backoffLimitPerIndex" not in spec:
        return errors
    limit = (
        f"must be less than or equal to {_MOST_WITH_MANY} when completions are above {_MANY} and used with "
    )
    limit += "backoff limit per index"
    if most is None:
        errors.append(field.required(failing, f"must be specified when completions is above {_MANY}"))
    elif most > _MOST_WITH_MANY:
        errors.append(field.invalid(failing, most, limit))
    if parallelism is not None and parallelism > _MOST_WITH_MANY:
        errors.append(field.invalid(at, parallelism, limit))
    return errors


def _selector_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check the selector that a user gave or that the API server made from the job's uid."""
    selector = spec.get("selector")
    if selector is None:
        return [field.required(path.child("selector"))]
    errors = validate_label_selector(selector, path.child("selector"))
    return errors or validate_template_labels(selector, spec.get("template"), path)


def with_selector(obj: Obj) -> Obj:
    """Return a new job that selects its own pods, by its uid; one with `manualSelector` is left as it is.

    What a user wrote in the places of these labels stays, for validation to refuse it.
    Spec: pkg/registry/batch/job generateSelector (1.36).
    """
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    if spec.get("manualSelector") or not metadata.get("uid"):
        return obj
    template, selector = spec.get("template") or {}, spec.get("selector") or {}
    inner = template.get("metadata") or {}
    labels = {**_own_labels(metadata), **(inner.get("labels") or {})}
    matched = {_UID_LABEL: metadata["uid"], **(selector.get("matchLabels") or {})}
    made = {**template, "metadata": {**inner, "labels": labels}}
    return {**obj, "spec": {**spec, "template": made, "selector": {**selector, "matchLabels": matched}}}


def _own_labels(metadata: Obj) -> dict[str, str]:
    uid, name = metadata.get("uid", ""), metadata.get("name", "")
    return {_UID_LABEL: uid, "controller-uid": uid, "job-name": name, _NAME_LABEL: name}


def _generated_errors(obj: Obj) -> list[FieldError]:
    """Check that selector and labels are those that the server makes, unless the user manages them."""
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    labels = (((spec.get("template") or {}).get("metadata")) or {}).get("labels") or {}
    at = _SPEC.child("template").child("metadata").child("labels")
    errors: list[FieldError] = []
    for key, value in _own_labels(metadata).items():
        if key not in labels:
            errors.append(field.required(at.key(key), f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(field.invalid(at.key(key), labels, f"must be '{value}'"))
    try:
        fits = from_label_selector(selector).matches({_UID_LABEL: metadata.get("uid", "")})
    except ValueError:
        return errors
    return errors if fits else [*errors, field.invalid(_SPEC.child("selector"), selector, _NOT_GENERATED)]


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True) + _generated_errors(obj)
    return errors + spec_errors(obj.get("spec") or {}, _SPEC) + _host_name_errors(obj)


def _host_name_errors(obj: Obj) -> list[FieldError]:
    """The pods of an indexed job are hosts that bear its name and their index."""
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name", "")
    completions = spec.get("completions") or 0
    if spec.get("completionMode") != "Indexed" or completions <= 0:
        return []
    last = f"{name}-{completions - 1}"
    if not names.is_dns1123_label(last):
        return []
    text = f"will not able to create pod with invalid DNS label: {last}"
    return [field.invalid(Path("metadata").child("name"), name, text)]


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + spec_errors(spec, _SPEC)
    errors += _completions_errors(spec, before)
    if not equal(spec.get("selector"), before.get("selector")):
        errors.append(field.invalid(_SPEC.child("selector"), spec.get("selector"), IMMUTABLE))
    wanted, had = spec.get("template") or {}, before.get("template") or {}
    if not equal(wanted, had) and not (_is_at_rest(old) and equal(wanted, _redirected(had, wanted))):
        errors.append(field.invalid(_SPEC.child("template"), wanted, IMMUTABLE))
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if not equal(spec.get(name), before.get(name)):
            errors.append(field.invalid(_SPEC.child(name), spec.get(name), IMMUTABLE))
    return errors


def _completions_errors(spec: Obj, before: Obj) -> list[FieldError]:
    """An indexed job may get as many completions as it has pods at a time."""
    now, at = spec.get("completions"), _SPEC.child("completions")
    if now == before.get("completions"):
        return []
    if spec.get("completionMode") != "Indexed":
        return [field.invalid(at, now, IMMUTABLE)]
    if now is not None and now == spec.get("parallelism"):
        return []
    return [field.invalid(at, now, "can only be modified in tandem with spec.parallelism")]


def _is_at_rest(old: Obj) -> bool:
    """Say whether a job is suspended and has no pods: it never began, or they are gone."""
    status = old.get("status") or {}
    if not (old.get("spec") or {}).get("suspend"):
        return False
    conditions = status.get("conditions") or ()
    stopped = any(each.get("type") == "Suspended" and each.get("status") == "True" for each in conditions)
    return "startTime" not in status or (stopped and not status.get("active"))


def _redirected(old: Obj, new: Obj) -> Obj:
    """Return the old template with the new one's directions for the scheduler, and resources."""
    made, spec = {**(old.get("spec") or {})}, new.get("spec") or {}
    for name in ("nodeSelector", "tolerations", "schedulingGates"):
        _take(made, spec, name)
    affinity = {**(made.get("affinity") or {})}
    _take(affinity, spec.get("affinity") or {}, "nodeAffinity")
    if affinity or "affinity" in spec:
        made["affinity"] = affinity
    else:
        made.pop("affinity", None)
    for name in ("containers", "initContainers"):
        pairs = zip(made.get(name) or (), spec.get(name) or (), strict=False)
        if len(made.get(name) or ()) == len(spec.get(name) or ()) and name in made:
            made[name] = [{**had, "resources": wanted.get("resources") or {}} for had, wanted in pairs]
    metadata = {**(old.get("metadata") or {})}
    for name in ("labels", "annotations"):
        _take(metadata, new.get("metadata") or {}, name)
    return {**old, "metadata": metadata, "spec": made}


def _take(target: Obj, source: Obj, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


validate_status_update = status_update_errors
