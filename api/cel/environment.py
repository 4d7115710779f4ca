"""Where expressions are compiled: variables with types, functions, and programs to evaluate.

Called by the rules of custom resources, by policies, and by the match conditions of webhooks.
Spec: k8s.io/apiserver/pkg/cel/environment/base.go (1.36).
"""

from collections.abc import Collection, Mapping
from typing import Any

from api.cel.checker import Checker, Scope
from api.cel.code import BINDINGS, COST, FIRST_SLOT, LIMIT, Code, Frame
from api.cel.compiler import compile_node
from api.cel.cost import PER_CALL_LIMIT, Budget, CostEstimate
from api.cel.errors import BudgetExceeded, CompileError, CostExceeded, EvaluationError
from api.cel.estimator import estimate
from api.cel.library import catalog
from api.cel.parser import MAX_DEPTH, parse
from api.cel.source import Report
from api.cel.syntax import Node
from api.cel.types import Type, is_assignable
from api.cel.values import to_plain

_PLAIN = frozenset((bool, int, float, str, type(None), bytes))


def _too_deep() -> EvaluationError:
    return EvaluationError("expression or value is nested too deeply")


class Program:
    """A compiled expression. `references` names the variables it uses, and their first fields
    (`self.spec`).
    """

    def __init__(self, node: Node, slots: int, references: frozenset[str]) -> None:
        self.result_type = node.type
        self.references = references
        self._node = node
        code: Code = compile_node(node)
        self._run = code.run
        self._frame: Frame = [code.cost, 0, None, *([None] * slots)]

    def evaluate(self, bindings: Mapping[str, Any], budget: Budget) -> Any:
        """Return the value in JSON's shape; absent optionals are None, times and library values stay.

        Raises EvaluationError, CostExceeded above PER_CALL_LIMIT, BudgetExceeded if the budget is used up.
        """
        value = self.compute(bindings, budget)
        if value.__class__ in _PLAIN:
            return value
        try:
            return to_plain(value)
        except RecursionError:
            raise _too_deep() from None

    def compute(self, bindings: Mapping[str, Any], budget: Budget) -> Any:
        """Return the value as other expressions need it in their bindings: optionals and uints stay such.

        Raises what `evaluate` raises.
        """
        frame = self._frame.copy()
        frame[LIMIT] = min(budget.limit - budget.used, PER_CALL_LIMIT)
        frame[BINDINGS] = bindings
        stopped, value = None, None
        try:
            value = self._run(frame)
        except CostExceeded as error:
            stopped = error
        except RecursionError:
            raise _too_deep() from None
        finally:
            budget.used += frame[COST]
        if frame[COST] > PER_CALL_LIMIT:
            raise CostExceeded
        # Bindings may have computed something from the same budget.
        if budget.used > budget.limit:
            raise BudgetExceeded
        if stopped is not None:
            raise stopped
        return value

    def estimate(self) -> CostEstimate:
        """Return what an evaluation may cost, from the sizes that the types of variables allow."""
        return estimate(self._node)


class Environment:
    """Variables and their types. `objects` are the names that expressions may construct (`Object`,
    `JSONPatch`).
    """

    def __init__(self, variables: Mapping[str, Type], *, objects: Collection[str] = ()) -> None:
        self._variables = variables
        self._objects = frozenset(objects)

    def compile(self, expression: str, result: Collection[Type] = ()) -> Program:
        """Return the program of an expression; CompileError if it is none, or has none of the result
        types.
        """
        report = Report(expression)
        try:
            node, checker = self._check(expression, report)
            if result and not any(is_assignable(wanted, node.type, {}) for wanted in result):
                raise CompileError(f"must evaluate to {' or '.join(map(str, result))}")
            return Program(node, checker.slots, frozenset(checker.references))
        except RecursionError:
            report.add(0, f"expression recursion limit exceeded: {MAX_DEPTH}")
            report.raise_errors()
            raise

    def _check(self, expression: str, report: Report) -> tuple[Node, Checker]:
        node = parse(expression, report)
        report.raise_errors()
        assert node is not None
        checker = Checker(self._variables, catalog.TYPE_NAMES, catalog.FUNCTIONS, self._objects, report)
        checker.check(node, Scope({}, FIRST_SLOT))
        report.raise_errors()
        return node, checker
