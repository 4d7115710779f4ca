"""CronJobs. Spec: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation ValidateCronJob (1.36)."""

import re

from api import field, names
from api.apps.template import non_negative
from api.batch.job import default_spec as default_job_spec
from api.batch.job import spec_errors as job_errors
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_POLICIES = ("Allow", "Forbid", "Replace")
# 63 letters less the 11 that the time of a run needs.
_NAME_MAX = 52
_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10,
    "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_PART = re.compile(r"(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?").fullmatch

defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
                empty={"concurrencyPolicy": "Allow"},
                nested={"jobTemplate": struct(defaulting(nested={"spec": struct(default_job_spec)}))},
            )
        )
    }
)


def schedule_fault(text: str) -> str:
    """Return what is wrong with a cron schedule, or ""."""
    if text in _MACROS or re.fullmatch(r"@every ([0-9.]+(ns|us|ms|s|m|h))+", text):
        return ""
    parts = text.split()
    if len(parts) != len(_RANGES):
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    for number, (part, limits) in enumerate(zip(parts, _RANGES, strict=True)):
        words = {3: _MONTHS, 4: _DAYS}.get(number, {})
        if not all(_is_range(piece.lower(), limits, words) for piece in part.split(",")):
            return f"failed to parse int from {part}"
    return ""


def _is_range(piece: str, limits: tuple[int, int], words: dict[str, int]) -> bool:
    match = _PART(piece)
    if match is None:
        return False
    low, high, step = match.groups()
    if step == "0" or (low in "*?" and high is not None):
        return False
    numbers = [_number(text, words) for text in (low, high) if text not in (None, "*", "?")]
    return all(limits[0] <= number <= limits[1] for number in numbers) and sorted(numbers) == numbers


def _number(text: str, words: dict[str, int]) -> int:
    if text in words:
        return words[text]
    return int(text) if text.isdigit() else -1


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    schedule, zone, policy = spec.get("schedule", ""), spec.get("timeZone"), spec.get("concurrencyPolicy", "")
    at = _SPEC.child("schedule")
    if not schedule:
        errors.append(field.required(at))
    elif "TZ" in schedule:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(field.invalid(at, schedule, text))
    elif fault := schedule_fault(schedule):
        errors.append(field.invalid(at, schedule, fault))
    if zone is not None and (not zone or zone.lower() == "local"):
        text = (
            "timeZone must be nil or non-empty string"
            if not zone
            else "timeZone must be an explicit time zone"
        )
        errors.append(field.invalid(_SPEC.child("timeZone"), zone, text))
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += non_negative(spec, name, _SPEC)
    if policy not in _POLICIES:
        at = _SPEC.child("concurrencyPolicy")
        errors.append(field.not_supported(at, policy, _POLICIES) if policy else field.required(at))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    return errors + job_errors(job, _SPEC.child("jobTemplate").child("spec"), selector_generated=True)


def _name_rule(name: str) -> list[str]:
    found = names.is_dns1123_subdomain(name)
    return [*found, f"must be no more than {_NAME_MAX} characters"] if len(name) > _NAME_MAX else found


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True, rule=_name_rule)
    return errors + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})
