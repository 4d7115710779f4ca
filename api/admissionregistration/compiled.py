"""An admission policy with all its expressions compiled.

Called by the validation of policies, which tells what failed, and by admission, which runs the rest.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/{validating,mutating} compilation (1.36).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from api.admissionregistration.expressions import (
    ANNOTATION,
    MESSAGE,
    TRUTH,
    Expression,
    Scope,
    base_environment,
    compiled,
    condition,
    environment_of,
)
from api.cel.environment import Environment, Program
from api.cel.library.jsonpatch import constructed_type
from api.cel.types import Type, list_of
from api.resource import Obj

OBJECT, PATCH = constructed_type("Object"), constructed_type("JSONPatch")
_OBJECTS = ("Object", "JSONPatch")
# A mutation's member with its expression, and what that results in.
MUTATIONS: Mapping[str, tuple[str, tuple[Type, ...]]] = {
    "ApplyConfiguration": ("applyConfiguration", (OBJECT,)),
    "JSONPatch": ("jsonPatch", (list_of(PATCH),)),
}


@dataclass(frozen=True)
class CompiledPolicy:
    """The expressions of a policy, place by place in the order of its lists; None where there is none."""

    conditions: tuple[Expression, ...]
    variables: Mapping[str, Expression]
    validations: tuple[Expression, ...] = ()
    messages: tuple[Expression | None, ...] = ()
    annotations: tuple[Expression, ...] = ()
    mutations: tuple[Expression | None, ...] = ()

    @cached_property
    def asks_authorizer(self) -> bool:
        """Tell whether any of them asks what somebody may do."""
        everything = (
            *self.conditions, *self.variables.values(), *self.validations, *self.annotations, *self.mutations,
        )  # fmt: skip
        programs = [item.program for item in everything if item is not None]
        return any(program is not None and _asks(program) for program in programs)


def _asks(program: Program) -> bool:
    return any(name.startswith("authorizer") for name in program.references)


def compile_policy(policy: Obj) -> CompiledPolicy:
    """Return the policy's expressions compiled. Never raises: what is wrong is in each expression."""
    spec = policy.get("spec") or {}
    params = spec.get("paramKind") is not None
    mutating = policy.get("kind") == "MutatingAdmissionPolicy"
    scope = Scope(params, objects=_OBJECTS if mutating else ())
    variables, types = compile_variables(spec, scope)
    compile_in = _compiler(scope, types)
    conditions = tuple(
        condition((item.get("expression") or "").strip(), params)
        for item in spec.get("matchConditions") or ()
    )
    if mutating:
        mutations = tuple(_mutation(item, compile_in) for item in spec.get("mutations") or ())
        return CompiledPolicy(conditions, variables, mutations=mutations)
    silent = _compiler(Scope(params, authorizer=False), types)
    validations: Sequence[Obj] = spec.get("validations") or ()
    return CompiledPolicy(
        conditions,
        variables,
        tuple(compile_in(item.get("expression") or "", TRUTH) for item in validations),
        tuple(_message(item, silent) for item in validations),
        tuple(
            compile_in((item.get("valueExpression") or "").strip(), ANNOTATION)
            for item in spec.get("auditAnnotations") or ()
        ),
    )


def compile_variables(
    spec: Obj, scope: Scope, of: Callable[[Mapping[str, Type]], Environment] | None = None
) -> tuple[dict[str, Expression], dict[str, Type]]:
    """Return the variables by name and their types; each may use those before it.

    `of` makes the environment out of the variables so far, where it is not that of the scope.
    """
    found: dict[str, Expression] = {}
    types: dict[str, Type] = {}
    for item in spec.get("variables") or ():
        environment = of(types) if of else environment_of(scope, types)
        name = item.get("name") or ""
        found[name] = compiled(environment, item.get("expression") or "")
        types[name] = found[name].result_type
    return found, types


def _compiler(scope: Scope, types: Mapping[str, Type]) -> Callable[[str, tuple[Type, ...]], Expression]:
    environment = environment_of(scope, types) if types else base_environment(scope)
    return lambda text, allowed: compiled(environment, text, allowed)


def _message(validation: Obj, compile_in: Callable[[str, tuple[Type, ...]], Expression]) -> Expression | None:
    text = validation.get("messageExpression") or ""
    return compile_in(text, MESSAGE) if text.strip() else None


def _mutation(mutation: Obj, compile_in: Callable[[str, tuple[Type, ...]], Expression]) -> Expression | None:
    member, allowed = MUTATIONS.get(mutation.get("patchType") or "", ("", ()))
    given: Any = mutation.get(member) if member else None
    return compile_in(given.get("expression") or "", allowed) if given else None
