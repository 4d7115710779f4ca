"""Groups that belong to the Kubernetes community: a definition in one tells who approved of it.

Called by the validation of definitions and by `api.crd.names`.
Source: apiextensions-apiserver pkg/apihelpers GetAPIApprovalState (1.36), KEP-2337.
"""

import re

from api.field import FieldError, Path, invalid, required
from api.resource import Obj

ANNOTATION = "api-approved.kubernetes.io"
MISSING, BYPASSED, APPROVED, INVALID = "Missing", "Bypassed", "Approved", "Invalid"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s]+.*")
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"
_PATH = Path("metadata").child("annotations").key(ANNOTATION)


def is_protected(group: str) -> bool:
    """Tell whether a group is the community's: `k8s.io`, `kubernetes.io` and all below."""
    return f".{group}".endswith((".k8s.io", ".kubernetes.io"))


def approval(definition: Obj) -> tuple[str, str]:
    """Return the state of the approval, and why it is so."""
    text = (definition["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    if not text:
        return MISSING, f'protected groups must have approval annotation "{ANNOTATION}", {_SEE}'
    if text.startswith("unapproved"):
        return BYPASSED, f'not approved: "{text}"'
    if _URL.fullmatch(text):
        return APPROVED, f"approved in {text}"
    why = f'protected groups must have approval annotation "{ANNOTATION}" with either a URL or a reason '
    return INVALID, f'{why}starting with "unapproved", {_SEE}'


def approval_errors(new: Obj, old: Obj | None) -> list[FieldError]:
    """Return what is wrong with the approval; a state that did not change is let be."""
    if not is_protected((new.get("spec") or {}).get("group", "")):
        return []
    state, why = approval(new)
    if old is not None and approval(old)[0] == state:
        return []
    if state == MISSING:
        return [required(_PATH, why)]
    shown = (new["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    return [invalid(_PATH, shown, why)] if state == INVALID else []
