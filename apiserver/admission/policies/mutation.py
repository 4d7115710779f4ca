"""What a mutation makes of an object. Pure.

Called by the plugin MutatingAdmissionPolicy.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch/{smd,json_patch}.go (1.36).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from api.admissionregistration.compiled import CompiledPolicy
from api.admissionregistration.expressions import Expression
from api.cel.cost import RUNTIME_BUDGET, Budget
from api.cel.errors import BudgetExceeded
from api.errors import StatusError
from api.patch import structured
from api.patch.json import TestFailed, apply_patch
from api.patch.shape import LIST, MAP, Shape, ShapeError
from api.resource import Obj
from apiserver.admission.policies.evaluation import BudgetOf, Failed, Variables, run


def evaluated(
    compiled: CompiledPolicy, expression: Expression, given: Mapping[str, Any], budget_of: BudgetOf = Budget
) -> Any:
    """Return what a mutation's expression says. Raises `Failed`, `TooDear`."""
    budget = budget_of(RUNTIME_BUDGET)
    names = {**given, "variables": Variables(compiled.variables, given, budget)}
    try:
        return run(expression, names, budget)
    except BudgetExceeded as error:
        raise Failed(str(error)) from error


def mutated(obj: Obj, patch_type: str, value: Any, shape: Shape) -> Obj:
    """Return the object as a mutation makes it; `value` is what its expression says. Raises `Failed`."""
    return _patched(obj, value) if patch_type == "JSONPatch" else _applied(obj, value, shape)


def _patched(obj: Obj, operations: Any) -> Obj:
    try:
        return apply_patch(obj, [_operation(item) for item in operations])
    except TestFailed:
        # As upstream: the patch is for other objects than this one.
        return obj
    except StatusError as error:
        causes = error.details.get("causes") or [{"message": error.message}]
        raise Failed(f"JSONPath: {causes[0]['message']}") from error


def _operation(item: Obj) -> Obj:
    """Return an operation as JSON patches spell it; `from` that is empty says nothing."""
    return {key: value for key, value in item.items() if key != "from" or value}


def _applied(obj: Obj, configuration: Any, shape: Shape) -> Obj:
    """Return the object with all that the configuration says merged in, as server-side apply merges."""
    config = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **configuration}
    try:
        structured.check(config, shape)
    except ShapeError as error:
        why = f"failed to convert patch object to typed object: {error}"
        raise Failed(f"error applying patch: {why}") from error
    if atomic := list(_atomic(config, shape, "")):
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Failed(f"error applying patch: invalid ApplyConfiguration: {why}")
    merged: Obj = structured.merge(obj, config, shape)
    return merged


def _atomic(value: Any, shape: Shape | None, path: str) -> Iterator[str]:
    """Yield the paths of what would be replaced as a whole: what the configuration does not say would be
    lost."""
    if shape is None:
        return
    if isinstance(value, dict) and shape.kind == MAP:
        if shape.atomic:
            yield path
        for name, item in value.items():
            if shape.is_field(name):
                yield from _atomic(item, shape.member(name), f"{path}.{name}")
    elif isinstance(value, list) and shape.kind == LIST:
        if shape.atomic:
            yield path
        for number, item in enumerate(value):
            yield from _atomic(item, shape.items, f"{path}[{number}]")
