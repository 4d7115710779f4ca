"""The expressions of admission policies and webhooks: what they may speak of, and their programs.

    object, oldObject, request          what is asked for, always there
    params, namespaceObject, variables  policies only
    authorizer                          but in messages

Called by the validation of policies and webhooks, and by admission. Source: k8s.io/apiserver/pkg/admission/
plugin/cel/{compile,composition}.go, pkg/apis/admissionregistration/validation (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from api.cel.environment import Environment, Program
from api.cel.errors import CompileError
from api.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK
from api.cel.types import BOOL, DYN, INT, NULL, STRING, TIMESTAMP, ObjectType, Type, list_of, map_of

# What all match conditions of one webhook or policy may cost in one request.
CONDITIONS_BUDGET = 2_500_000

_STRINGS = map_of(STRING, STRING)
_KIND = ObjectType("kubernetes.GroupVersionKind", {"group": STRING, "version": STRING, "kind": STRING})
_RESOURCE = ObjectType(
    "kubernetes.GroupVersionResource", {"group": STRING, "version": STRING, "resource": STRING}
)
_USER = ObjectType(
    "kubernetes.UserInfo",
    {
        "username": STRING,
        "uid": STRING,
        "groups": list_of(STRING),
        "extra": map_of(STRING, list_of(STRING)),
    },
)
REQUEST = ObjectType(
    "kubernetes.AdmissionRequest",
    {
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": _USER,
        "dryRun": BOOL,
        "options": DYN,
    },
)
_CONDITION = ObjectType(
    "kubernetes.NamespaceCondition",
    {
        "status": STRING,
        "type": STRING,
        "lastTransitionTime": TIMESTAMP.encoded("date-time"),
        "message": STRING,
        "reason": STRING,
    },
)
_METADATA = ObjectType(
    "kubernetes.NamespaceMetadata",
    {
        "name": STRING,
        "generateName": STRING,
        "namespace": STRING,
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "UID": STRING,
        "creationTimestamp": TIMESTAMP.encoded("date-time"),
        "deletionGracePeriodSeconds": INT,
        "deletionTimestamp": TIMESTAMP.encoded("date-time"),
        "generation": INT,
        "resourceVersion": STRING,
        "finalizers": list_of(STRING),
    },
)
NAMESPACE = ObjectType(
    "kubernetes.Namespace",
    {
        "metadata": _METADATA,
        "spec": ObjectType("kubernetes.NamespaceSpec", {"finalizers": list_of(STRING)}),
        "status": ObjectType(
            "kubernetes.NamespaceStatus", {"conditions": list_of(_CONDITION), "phase": STRING}
        ),
    },
)


@dataclass(frozen=True)
class Expression:
    """An expression as it was written, with its program, or `error`: why it has none, in upstream's words."""

    text: str
    program: Program | None
    error: str = ""

    @property
    def result_type(self) -> Type:
        return self.program.result_type if self.program is not None else DYN


@dataclass(frozen=True)
class Scope:
    """What the expressions of a kind of place may use. `objects`: names of types whose values may be made."""

    params: bool = False
    authorizer: bool = True
    namespace: bool = True
    objects: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def base_environment(scope: Scope) -> Environment:
    """Return the environment of expressions in policies without variables, and in match conditions."""
    return environment_of(scope, {})


def environment_of(
    scope: Scope, variables: Mapping[str, Type], object_type: Type = DYN, params_type: Type = DYN
) -> Environment:
    """Return the environment in which `variables.x` has the types given; type checking gives the others."""
    names: dict[str, Type] = {"object": object_type, "oldObject": object_type, "request": REQUEST}
    if scope.namespace:
        names["namespaceObject"] = NAMESPACE
    if scope.params:
        names["params"] = params_type
    if scope.authorizer:
        names["authorizer"] = AUTHORIZER
        names["authorizer.requestResource"] = RESOURCE_CHECK
    if variables:
        names["variables"] = ObjectType("kubernetes.variables", dict(variables))
    return Environment(names, objects=scope.objects)


def compiled(environment: Environment, text: str, allowed: tuple[Type, ...] = ()) -> Expression:
    """Return an expression with its program; `allowed` are the types that it may result in (none: any)."""
    try:
        program = environment.compile(text)
    except CompileError as error:
        return Expression(text, None, f"compilation failed: {error}")
    if allowed and program.result_type not in allowed:
        return Expression(text, None, f"must evaluate to {_one_of(allowed)}")
    return Expression(text, program)


def _one_of(types: tuple[Type, ...]) -> str:
    names = ["null_type" if wanted == NULL else str(wanted) for wanted in types]
    return names[0] if len(names) == 1 else f"one of [{' '.join(names)}]"


def condition(text: str, params: bool = False) -> Expression:
    """Return a match condition of a webhook or (`params`) of a policy with parameters."""
    return compiled(base_environment(Scope(params)), text, (BOOL,))


# What the expressions of each sort result in.
TRUTH, MESSAGE, ANNOTATION = (BOOL,), (STRING,), (STRING, NULL)
