"""Selectors of devices: CEL expressions about one device.

    device.driver == "dra.example.com" && device.attributes["dra.example.com"].model == "a100"

Spec: pkg/apis/resource/validation validateSelector, dynamic-resource-allocation/cel (1.36).
"""

from functools import lru_cache
from typing import Any

from api import field
from api.cel.environment import Environment, Program
from api.cel.errors import CompileError
from api.cel.types import BOOL, DYN, STRING, ObjectType, map_of, opaque
from api.dra.lists import each_errors
from api.dra.naming import DOMAIN_MAX, ID_MAX
from api.field import FieldError, Path
from api.resource import Obj
from api.storage.drivers import DRIVER_MAX

SELECTORS_MAX = 32
EXPRESSION_MAX = 10 * 1024
COST_MAX = 1_000_000
# Attributes and capacities of one device together.
_PROPERTIES_MAX = 32
_VALUE_MAX = 64
_DOMAIN, _NAME = STRING.bounded(DOMAIN_MAX), STRING.bounded(ID_MAX)


def _by_domain(value: Any) -> Any:
    inner = map_of(_NAME, value).bounded(_PROPERTIES_MAX)
    return map_of(_DOMAIN, inner).bounded(_PROPERTIES_MAX)


_DEVICE = ObjectType(
    "kubernetes.DRADevice",
    {
        "driver": STRING.bounded(DRIVER_MAX),
        "attributes": _by_domain(DYN.bounded(_VALUE_MAX)),
        "capacity": _by_domain(opaque("kubernetes.Quantity")),
        "allowMultipleAllocations": BOOL,
    },
)
_ENVIRONMENT = Environment({"device": _DEVICE})


def selectors_errors(selectors: Any, path: Path, stored: bool = False) -> list[FieldError]:
    """Check a list of selectors; those that were stored before are not compiled again."""

    def check(selector: Obj, where: Path) -> list[FieldError]:
        expression = selector.get("cel")
        if expression is None:
            return [field.required(where.child("cel"))]
        if stored:
            return []
        return _expression_errors(expression.get("expression", ""), where.child("cel", "expression"))

    return each_errors(selectors, SELECTORS_MAX, check, path)


def _expression_errors(expression: str, path: Path) -> list[FieldError]:
    if len(expression) > EXPRESSION_MAX:
        return [field.too_long(path, EXPRESSION_MAX)]
    fault = _fault(expression)
    if fault is None:
        return []
    return [field.invalid(path, expression, fault) if fault else field.forbidden(path, _TOO_COMPLEX)]


_TOO_COMPLEX = "too complex, exceeds cost limit"


@lru_cache(maxsize=512)
def compiled(expression: str) -> Program | str:
    """Return the program of a selector, or why there is none. `matching` evaluates it."""
    try:
        program = _ENVIRONMENT.compile(expression)
    except CompileError as error:
        return f"compilation failed: {error}"
    found = program.result_type
    if found != BOOL and not found.is_any:
        return f"must evaluate to bool or the unknown type, not {found}"
    return program


@lru_cache(maxsize=512)
def _fault(expression: str) -> str | None:
    """Return why an expression does not compile, "" if it may cost too much, None if it is fine."""
    program = compiled(expression)
    if isinstance(program, str):
        return program
    return "" if program.estimate().high > COST_MAX else None
