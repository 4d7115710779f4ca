"""Metrics of the PodSecurity plugin, under upstream's names.

Spec: k8s.io/pod-security-admission/metrics (1.36).
"""

from api.podsecurity.level import Standard
from api.types.core_v1 import PODS
from api.version import MINOR
from apiserver.admission.plugin import AdmissionRequest
from kit.metrics import REGISTRY

_ABOUT = ("request_operation", "resource", "subresource")
_evaluations = REGISTRY.counter(
    "pod_security_evaluations_total",
    "Pods and templates judged, not counting exemptions.",
    ("decision", "policy_level", "policy_version", "mode", *_ABOUT),
)
_exemptions = REGISTRY.counter("pod_security_exemptions_total", "Requests that are exempt.", _ABOUT)
_errors = REGISTRY.counter(
    "pod_security_errors_total", "Errors that keep pods from being judged.", ("fatal", *_ABOUT)
)


def evaluated(request: AdmissionRequest, standard: Standard, mode: str, *, allowed: bool) -> None:
    """Count a judgement; `mode`: enforce, audit, warn."""
    decision = "allow" if allowed else "deny"
    _evaluations.add((decision, standard.level, _version(standard.minor), mode, *_about(request)))


def exempted(request: AdmissionRequest) -> None:
    _exemptions.add(_about(request))


def failed(request: AdmissionRequest, *, fatal: bool) -> None:
    _errors.add((str(fatal).lower(), *_about(request)))


def _about(request: AdmissionRequest) -> tuple[str, str, str]:
    kind = "pod" if request.resource is PODS else "controller"
    return request.operation.lower(), kind, request.subresource


def _version(minor: int | None) -> str:
    """Return the version as a label, of which there must not be too many."""
    if minor is None:
        return "latest"
    return f"v1.{minor}" if minor <= int(MINOR) else "future"
