"""Selectors of devices: CEL expressions about one device.

Spec: pkg/apis/resource/validation validateSelector, dynamic-resource-allocation/cel (1.36).
"""

from typing import Any

from api import field
from api.dra.lists import each_errors
from api.field import FieldError, Path
from api.resource import Obj

SELECTORS_MAX = 32
EXPRESSION_MAX = 10 * 1024


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
    return [field.too_long(path, EXPRESSION_MAX)] if len(expression) > EXPRESSION_MAX else []
