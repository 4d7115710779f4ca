"""What may be written as the status of a job.

Source: pkg/apis/batch/validation ValidateJobStatus, pkg/registry/batch/job getStatusValidationOptions (1.36).
"""

from typing import Any

from api import field
from api.apps.template import non_negative
from api.field import FieldError, Path
from api.meta import validate_metadata_update
from api.resource import Obj
from api.times import parse_time

_STATUS = Path("status")
_NUMBERS = ("active", "succeeded", "failed", "ready", "terminating")


def status_update_errors(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`: its numbers, and that what ended has ended."""
    status, before = new.get("status") or {}, old.get("status") or {}
    errors = validate_metadata_update(new, old)
    for name in _NUMBERS:
        errors += non_negative(status, name, _STATUS)
    if (uncounted := status.get("uncountedTerminatedPods")) is not None:
        errors += _uncounted_errors(uncounted)
    # What was so before may stay so: upstream refuses only what a write makes wrong.
    errors += [error for error in _end_errors(status) if error not in _end_errors(before)]
    return errors + _change_errors(status, before)


def _uncounted_errors(uncounted: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        at = _STATUS.child("uncountedTerminatedPods").child(name)
        for number, uid in enumerate(uncounted.get(name) or ()):
            if not uid:
                errors.append(field.invalid(at.index(number), uid, "must not be empty"))
            elif uid in seen:
                errors.append(field.duplicate(at.index(number), uid))
            seen.add(uid)
    return errors


def _is_true(status: Obj, kind: str) -> bool:
    return any(
        each.get("type") == kind and each.get("status") == "True" for each in status.get("conditions") or ()
    )


def _end_errors(status: Obj) -> list[FieldError]:
    """Return what contradicts itself in the status of a job that has ended, or has not."""
    complete, failed = _is_true(status, "Complete"), _is_true(status, "Failed")
    began, ended = status.get("startTime"), status.get("completionTime")
    conditions, at = _STATUS.child("conditions"), _STATUS.child("completionTime")
    errors: list[FieldError] = []
    if complete and failed:
        errors.append(field.invalid_whole(conditions, "cannot set Complete=True and Failed=true conditions"))
    if complete or failed:
        errors += _leftovers(status)
    if (complete or failed) and began is None:
        errors.append(field.required(_STATUS.child("startTime"), "startTime is required for finished job"))
    if complete and ended is None:
        errors.append(field.required(at, "completionTime is required for Complete jobs"))
    if ended is not None and not complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        errors.append(field.invalid(at, ended, text))
    if began is not None and ended is not None and parse_time(ended) < parse_time(began):
        errors.append(field.invalid(at, ended, "completionTime cannot be set before startTime"))
    for kind, needed in (("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")):
        if _is_true(status, kind) and not _is_true(status, needed):
            text = f"cannot set {kind}=True condition without the {needed}=true condition"
            errors.append(field.invalid_whole(conditions, text))
    return errors


def _leftovers(status: Obj) -> list[FieldError]:
    errors = [
        field.invalid(_STATUS.child(name), status[name], f"{name}>0 is invalid for finished job")
        for name in ("active", "terminating")
        if status.get(name, 0) > 0
    ]
    uncounted: dict[str, Any] = status.get("uncountedTerminatedPods") or {}
    if any(uncounted.values()):
        text = "uncountedTerminatedPods needs to be empty for finished job"
        errors.append(field.invalid(_STATUS.child("uncountedTerminatedPods"), uncounted, text))
    return errors


def _change_errors(status: Obj, before: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for kind in ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"):
        if _is_true(before, kind) and not _is_true(status, kind):
            text = f"cannot disable the terminal {kind}=True condition"
            errors.append(field.invalid_whole(_STATUS.child("conditions"), text))
    for name in ("succeeded", "failed"):
        if status.get(name, 0) < before.get(name, 0):
            text = f"cannot decrease the {name} counter"
            errors.append(field.invalid(_STATUS.child(name), status.get(name, 0), text))
    was, now = before.get("completionTime"), status.get("completionTime")
    if was is not None and now is not None and was != now:
        text = "cannot change the completionTime"
        errors.append(field.invalid(_STATUS.child("completionTime"), now, text))
    return errors
