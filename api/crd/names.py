"""Who may have which names: the status of a CustomResourceDefinition as its group lets it be.

The names of a resource (plural, singular, short) and those of kinds (kind, listKind) are two sets per group;
who was accepted first keeps a name. Called by the API server whenever a definition of the group changes.
Source: apiextensions-apiserver pkg/controller/status, establish, apiapproval (1.36).
"""

from collections.abc import Iterable
from datetime import datetime

from api.apiextensions.approval import APPROVED, BYPASSED, INVALID, approval, is_protected
from api.conditions import is_true, set_condition
from api.resource import Obj

ESTABLISHED, NAMES_ACCEPTED = "Established", "NamesAccepted"
_POLICY = "KubernetesAPIApprovalPolicyConformant"


def decide(definition: Obj, others: Iterable[Obj], now: datetime) -> Obj:
    """Return the status of a definition: names that are accepted, and conditions.

    `others`: all other definitions of the group. The status is equal to the given one if nothing changes.
    """
    status = definition.get("status") or {}
    names, condition = _accepted(definition["spec"]["names"], status.get("acceptedNames") or {}, others)
    conditions = set_condition(status.get("conditions"), condition, now)
    if not is_true(conditions, ESTABLISHED):
        established = _established(condition["status"] == "True")
        conditions = set_condition(conditions, established, now)
    if is_protected(definition["spec"]["group"]):
        conditions = set_condition(conditions, _policy(definition), now)
    return {**status, "acceptedNames": names, "conditions": conditions}


def _accepted(wanted: Obj, present: Obj, others: Iterable[Obj]) -> tuple[Obj, Obj]:
    """Return the accepted names, and the condition NamesAccepted."""
    resources, kinds = _taken(others)
    names, reason, message = dict(present), "NoConflicts", "no conflicts found"
    for name, taken in (("plural", resources), ("singular", resources), ("shortNames", resources),
                        ("kind", kinds), ("listKind", kinds)):  # fmt: skip
        conflicts = _conflicts(wanted.get(name), present.get(name), taken)
        if conflicts:
            reason = f"{name[0].upper()}{name[1:]}Conflict"
            message = conflicts[0] if len(conflicts) == 1 else f"[{', '.join(conflicts)}]"
        else:
            names[name] = wanted.get(name)
    names["categories"] = wanted.get("categories")
    condition = {
        "type": NAMES_ACCEPTED,
        "status": "True" if reason == "NoConflicts" else "False",
        "reason": reason,
        "message": message,
    }
    return {name: value for name, value in names.items() if value}, condition


def _taken(others: Iterable[Obj]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _conflicts(wanted: str | list[str] | None, present: str | list[str] | None, taken: set[str]) -> list[str]:
    ours = present if isinstance(present, list) else [present]
    asked = wanted if isinstance(wanted, list) else [wanted or ""]
    return [f'"{name}" is already in use' for name in asked if name not in ours and name in taken]


def _established(accepted: bool) -> Obj:
    # Upstream says Installing for a while; here a version is served before its definition says so.
    return {
        "type": ESTABLISHED,
        "status": "True" if accepted else "False",
        "reason": "InitialNamesAccepted" if accepted else "NotAccepted",
        "message": "the initial names have been accepted" if accepted else "not all names are accepted",
    }


def _policy(definition: Obj) -> Obj:
    state, why = approval(definition)
    reasons = {APPROVED: "ApprovedAnnotation", BYPASSED: "UnapprovedAnnotation", INVALID: "InvalidAnnotation"}
    return {
        "type": _POLICY,
        "status": "True" if state == APPROVED else "False",
        "reason": reasons.get(state, "MissingAnnotation"),
        "message": why,
    }
