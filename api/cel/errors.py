"""The errors of expressions; their texts are cel-go's, since they end in answers of the API server.

CELError
  CompileError            syntax or type errors, with positions
  EvaluationError         what `||` and `&&` may absorb
    CostExceeded          what nothing absorbs
      BudgetExceeded      the budget of several programs is used up, not the limit of one
"""

from typing import ClassVar


class CELError(Exception):
    """An expression that cannot be compiled or evaluated; `str(error)` is the message."""


class CompileError(CELError):
    """All syntax or type errors of an expression, one `ERROR: <input>:LINE:COLUMN: TEXT` with a
    picture each.
    """


class EvaluationError(CELError):
    """An evaluation without a result: a missing key, a division by zero, a value of a wrong type."""

    # True if no operator may absorb the error.
    final: ClassVar[bool] = False


class CostExceeded(EvaluationError):
    """An evaluation that was stopped because it costs too much."""

    final = True

    def __init__(self, message: str = "operation cancelled: actual cost limit exceeded") -> None:
        super().__init__(message)


class BudgetExceeded(CostExceeded):
    """An evaluation after which a shared budget is used up."""

    def __init__(self) -> None:
        super().__init__(
            "validation failed due to running out of cost budget, no further validation rules will be run"
        )


def no_such_overload() -> EvaluationError:
    """Return the error of an operator whose operands have wrong types."""
    return EvaluationError("no such overload")


def no_such_key(key: object) -> EvaluationError:
    """Return the error of a field or map key that is not there."""
    return EvaluationError(f"no such key: {key}")
