"""Metrics of admission webhooks, under upstream's names.

Spec: k8s.io/apiserver/pkg/admission/metrics (1.36).
"""

from kit.metrics import REGISTRY

_PREFIX = "apiserver_admission_"
_durations = REGISTRY.histogram(
    f"{_PREFIX}webhook_admission_duration_seconds",
    "Time to hear an admission webhook.",
    ("name", "type", "operation", "rejected"),
)
_requests = REGISTRY.counter(
    f"{_PREFIX}webhook_request_total",
    "Calls of admission webhooks.",
    ("name", "type", "operation", "code", "rejected"),
)
_rejections = REGISTRY.counter(
    f"{_PREFIX}webhook_rejection_count",
    "Requests that an admission webhook refused or failed to judge.",
    ("name", "type", "operation", "error_type", "rejection_code"),
)
_opened = REGISTRY.counter(
    f"{_PREFIX}webhook_fail_open_count",
    "Webhooks that could not be heard and were passed over.",
    ("name", "type"),
)
_condition_errors = REGISTRY.counter(
    f"{_PREFIX}match_condition_evaluation_errors_total",
    "Match conditions that could not be evaluated.",
    ("name", "kind", "type", "operation"),
)
_exclusions = REGISTRY.counter(
    f"{_PREFIX}match_condition_exclusions_total",
    "Requests that match conditions kept from a webhook.",
    ("name", "kind", "type", "operation"),
)
# Kinds of `error_type`.
CALLING, NO_ERROR, INTERNAL = (
    "calling_webhook_error",
    "no_error",
    "apiserver_internal_error",
)
# Names of webhooks that become labels; those that come later share one.
_MOST_NAMES = 500
_names: set[str] = set()
_OTHER = "other"


def observe(name: str, kind: str, operation: str, code: int, seconds: float, *, rejected: bool) -> None:
    """Count one call. `kind`: admit or validating; `code`: 200, or that of the refusal."""
    label, said = _label(name), str(rejected).lower()
    _durations.observe(seconds, (label, kind, operation, said))
    _requests.add((label, kind, operation, str(code), said))


def reject(name: str, kind: str, operation: str, error_type: str, code: int) -> None:
    """Count one request that does not go on because of a webhook."""
    _rejections.add((_label(name), kind, operation, error_type, str(code)))


def fail_open(name: str, kind: str) -> None:
    """Count one webhook that was passed over."""
    _opened.add((_label(name), kind))


def condition_failed(name: str, kind: str, operation: str) -> None:
    """Count one request whose match conditions could not be evaluated."""
    _condition_errors.add((_label(name), "webhook", kind, operation))


def excluded(name: str, kind: str, operation: str) -> None:
    """Count one request that match conditions keep from a webhook."""
    _exclusions.add((_label(name), "webhook", kind, operation))


def _label(name: str) -> str:
    if name in _names:
        return name
    if len(_names) >= _MOST_NAMES:
        return _OTHER
    _names.add(name)
    return name
