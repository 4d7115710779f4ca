"""CronJobs. Spec: pkg/apis/batch/v1/defaults.go, pkg/apis/batch/validation ValidateCronJob (1.36)."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api import field, names
from api.apps.template import non_negative
from api.batch.job import default_inner_spec
from api.batch.job import spec_errors as job_errors
from api.batch.schedule import parse_schedule
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_POLICIES = ("Allow", "Forbid", "Replace")
# 63 letters less the 11 that the time of a run needs.
_NAME_MAX = 52
defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
                empty={"concurrencyPolicy": "Allow"},
                nested={"jobTemplate": struct(defaulting(nested={"spec": struct(default_inner_spec)}))},
            )
        )
    }
)


def _spec_errors(spec: Obj, old: Obj | None = None) -> list[FieldError]:
    schedule, policy = spec.get("schedule", ""), spec.get("concurrencyPolicy", "")
    errors = _schedule_errors(schedule, spec, old)
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += non_negative(spec, name, _SPEC)
    if policy not in _POLICIES:
        at = _SPEC.child("concurrencyPolicy")
        errors.append(field.not_supported(at, policy, _POLICIES) if policy else field.required(at))
    job, at = (spec.get("jobTemplate") or {}).get("spec") or {}, _SPEC.child("jobTemplate").child("spec")
    errors += job_errors(job, at, in_template=True)
    if (selector := job.get("selector")) is not None:
        errors.append(field.invalid(at.child("selector"), selector, "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        errors.append(field.not_supported(at.child("manualSelector"), True, ("nil", "false")))
    return errors


def _schedule_errors(schedule: str, spec: Obj, old: Obj | None) -> list[FieldError]:
    """A zone within the schedule is refused, but for schedules that have had one from before there was a "
    "field."""
    at, zone = _SPEC.child("schedule"), spec.get("timeZone")
    errors: list[FieldError] = []
    if not schedule:
        errors.append(field.required(at))
    else:
        try:
            parse_schedule(schedule)
        except ValueError as error:
            errors.append(field.invalid(at, schedule, str(error)))
    if "TZ" in schedule:
        old_zone = old is not None and "TZ" in old.get("schedule", "")
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        if old_zone:
            text = "cannot use both timeZone field and TZ or CRON_TZ in schedule" if zone is not None else ""
        errors += [field.invalid(at, schedule, text)] if text else []
    if zone is not None and (complaint := _zone_complaint(zone)):
        errors.append(field.invalid(_SPEC.child("timeZone"), zone, complaint))
    return errors


def _zone_complaint(zone: str) -> str:
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    return "" if _is_zone(zone) else f"unknown time zone {zone}"


@lru_cache(maxsize=256)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _name_rule(name: str) -> list[str]:
    found = names.is_dns1123_subdomain(name)
    return [*found, f"must be no more than {_NAME_MAX} characters"] if len(name) > _NAME_MAX else found


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True, rule=_name_rule)
    return errors + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {}, old.get("spec") or {})
