"""Questions to the authorizer: `authorizer.group('').resource('pods').check('create').allowed()`.

The caller binds `authorizer` to `Authorizer(ask)`, and `authorizer.requestResource` to a `ResourceCheck`;
`ask` is a plain function of `Question` that returns a `Decision`. A check costs so much that an expression
has two.
Spec: k8s.io/apiserver/pkg/cel/library/authz.go (1.36).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from api import names
from api.cel.cost import LIST_COST, STRUCT_COST, UNBOUNDED, Estimate, Range, Sized, traverse
from api.cel.declarations import Library, Overload
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, STRING, Type, opaque
from api.cel.values import Opaque, size

AUTHORIZER = opaque("kubernetes.authorization.Authorizer")
PATH_CHECK = opaque("kubernetes.authorization.PathCheck")
GROUP_CHECK = opaque("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK = opaque("kubernetes.authorization.ResourceCheck")
DECISION = opaque("kubernetes.authorization.Decision")

CHECK_COST = 350_000


@dataclass(frozen=True, slots=True)
class Question:
    """What may be done: a verb on a path, or on a resource. `user` is empty for whoever makes the request.

    `user` is otherwise `system:serviceaccount:NAMESPACE:NAME`. Selectors are as written, "" for none.
    """

    verb: str
    user: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision(Opaque):
    """An answer; `error` is empty if there was none."""

    cel_type: ClassVar[Type] = DECISION
    allowed: bool
    reason: str = ""
    error: str = ""


Ask = Callable[[Question], Decision]


@dataclass(frozen=True, slots=True)
class Authorizer(Opaque):
    """Whom to ask, and about which user."""

    cel_type: ClassVar[Type] = AUTHORIZER
    ask: Ask
    user: str = ""


@dataclass(frozen=True, slots=True)
class PathCheck(Opaque):
    """A question about a path that lacks only the verb."""

    cel_type: ClassVar[Type] = PATH_CHECK
    ask: Ask
    question: Question


@dataclass(frozen=True, slots=True)
class GroupCheck(Opaque):
    """A question about a group that lacks the resource."""

    cel_type: ClassVar[Type] = GROUP_CHECK
    ask: Ask
    question: Question


@dataclass(frozen=True, slots=True)
class ResourceCheck(Opaque):
    """A question about a resource that lacks only the verb."""

    cel_type: ClassVar[Type] = RESOURCE_CHECK
    ask: Ask
    question: Question


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer.ask, Question("", authorizer.user, path))


def _group(authorizer: Authorizer, group: str) -> GroupCheck:
    return GroupCheck(authorizer.ask, Question("", authorizer.user, group=group))


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if names.is_dns1123_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if names.is_dns1123_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return Authorizer(authorizer.ask, f"system:serviceaccount:{namespace}:{name}")


def _resource(check: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(check.ask, replace(check.question, resource=resource))


def _narrow(field: str, cost: Any = None, bound: Any = None) -> tuple[Overload, ...]:
    def run(check: ResourceCheck, value: str) -> ResourceCheck:
        return ResourceCheck(check.ask, replace(check.question, **{field: value}))

    return (Overload((RESOURCE_CHECK, STRING), RESOURCE_CHECK, run, True, cost, bound),)


def _check(check: Any, verb: str) -> Decision:
    decision: Decision = check.ask(replace(check.question, verb=verb))
    return decision


def _check_cost(args: tuple[Any, ...], result: Any) -> int:
    return CHECK_COST


def _check_bound(args: list[Sized]) -> Estimate:
    return Estimate(Range(CHECK_COST, CHECK_COST))


def _selector_cost(args: tuple[Any, ...], result: Any) -> int:
    return _selector(size(args[1]))


def _selector(length: int) -> int:
    """Return the cost of a selector: its text may be a list of requirements of two characters each."""
    return LIST_COST + (length + 1) // 2 * (LIST_COST + STRUCT_COST) + traverse(length)


def _selector_bound(args: list[Sized]) -> Estimate:
    low, high = args[1].size
    return Estimate(Range(_selector(low), min(_selector(high), UNBOUNDED)))


def _told(field: str, of: Type, read: Callable[[Decision], Any]) -> dict[str, tuple[Overload, ...]]:
    return {field: (Overload((DECISION,), of, read, member=True),)}


FUNCTIONS: Library = {
    "path": (Overload((AUTHORIZER, STRING), PATH_CHECK, _path, member=True),),
    "group": (Overload((AUTHORIZER, STRING), GROUP_CHECK, _group, member=True),),
    "serviceAccount": (Overload((AUTHORIZER, STRING, STRING), AUTHORIZER, _service_account, member=True),),
    "resource": (Overload((GROUP_CHECK, STRING), RESOURCE_CHECK, _resource, member=True),),
    "subresource": _narrow("subresource"),
    "namespace": _narrow("namespace"),
    "name": _narrow("name"),
    "fieldSelector": _narrow("field_selector", _selector_cost, _selector_bound),
    "labelSelector": _narrow("label_selector", _selector_cost, _selector_bound),
    "check": tuple(
        Overload((of, STRING), DECISION, _check, True, _check_cost, _check_bound)
        for of in (PATH_CHECK, RESOURCE_CHECK)
    ),
    **_told("allowed", BOOL, lambda decision: decision.allowed),
    **_told("reason", STRING, lambda decision: decision.reason),
    **_told("errored", BOOL, lambda decision: bool(decision.error)),
    **_told("error", STRING, lambda decision: decision.error),
}
