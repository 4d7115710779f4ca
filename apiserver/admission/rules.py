"""Which requests a rule of a webhook or a policy is about. Pure.

Called when the tables of webhooks and policies are built, never per request. What a rule says of namespaces
and labels of objects is looked at by `matching.py`. Spec: k8s.io/apiserver/pkg/admission/plugin/webhook/
predicates/rules (1.36).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from api.resource import Obj, Resource
from api.types.core_v1 import NAMESPACES

ANY = "*"
_REGISTRATION = "admissionregistration.k8s.io"
# Nobody may judge changes of these: a mistake in them could not be undone.
_EXEMPT = frozenset(
    {
        (_REGISTRATION, "mutatingwebhookconfigurations"),
        (_REGISTRATION, "validatingwebhookconfigurations"),
        (_REGISTRATION, "mutatingadmissionpolicies"),
        (_REGISTRATION, "mutatingadmissionpolicybindings"),
        (_REGISTRATION, "validatingadmissionpolicies"),
        (_REGISTRATION, "validatingadmissionpolicybindings"),
    }
)


def is_exempt(resource: Resource[Any]) -> bool:
    """Tell whether a resource is one of those that configure admission."""
    return (resource.group, resource.plural) in _EXEMPT


def matches(rule: Obj, operation: str, resource: Resource[Any], subresource: str) -> bool:
    """Tell whether a rule (`RuleWithOperations`) is about an operation on a resource or its subresource."""
    return (
        _in_scope(rule.get("scope") or ANY, resource)
        and _among(rule.get("operations") or (), operation)
        and _among(rule.get("apiGroups") or (), resource.group)
        and _among(rule.get("apiVersions") or (), resource.version)
        and any(_names(item, resource.plural, subresource) for item in rule.get("resources") or ())
    )


def seen_as(
    rules: Sequence[Obj],
    operation: str,
    resource: Resource[Any],
    subresource: str,
    equivalents: Iterable[Resource[Any]],
) -> Resource[Any] | None:
    """Return the resource by which the rules match: the request's own, else the first equivalent one of the
    first rule that has any; None if none does."""
    if any(matches(rule, operation, resource, subresource) for rule in rules):
        return resource
    others = tuple(equivalents)
    for rule in rules:
        for other in others:
            if matches(rule, operation, other, subresource):
                return other
    return None


def _in_scope(scope: str, resource: Resource[Any]) -> bool:
    if scope == ANY:
        return True
    # Namespaces are not in one, though their requests name one.
    return (scope == "Namespaced") == (resource.namespaced and resource is not NAMESPACES)


def _among(items: Iterable[str], wanted: str) -> bool:
    return any(item in (ANY, wanted) for item in items)


def _names(item: str, plural: str, subresource: str) -> bool:
    """Tell whether `pods`, `pods/*`, `*/status`, `*` or `*/*` means this; one without slash means no
    subresource."""
    first, _, second = item.partition("/")
    return first in (ANY, plural) and second in (ANY, subresource)
