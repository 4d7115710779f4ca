"""How admission says no. Called by every plugin.

Source: k8s.io/apiserver/pkg/admission/errors.go (1.36).
"""

from typing import Any

from api import errors
from apiserver.admission.plugin import AdmissionRequest


def refuse(request: AdmissionRequest, why: str) -> errors.Forbidden:
    """Return `pods "x" is forbidden: <why>`."""
    return errors.forbidden(request.resource, name_of(request), why)


def refuse_because(request: AdmissionRequest, why: str, cause: dict[str, Any]) -> errors.Forbidden:
    """Return the same with a cause that clients look at."""
    error = refuse(request, why)
    error.details = {**error.details, "causes": [cause]}
    return error


def name_of(request: AdmissionRequest) -> str:
    """Return the object's name; before one is generated, its `generateName`."""
    if request.name:
        return request.name
    metadata = (request.object or {}).get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "Unknown")
