"""What the expressions of a policy say of one request. Pure.

Called by the two policy plugins, with the variables that `dispatch.py` gathers.
Source: k8s.io/apiserver/pkg/admission/plugin/cel/{condition,activation,composition}.go,
plugin/webhook/matchconditions/matcher.go, plugin/policy/validating/validator.go (1.36).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from api.admissionregistration.compiled import CompiledPolicy
from api.admissionregistration.expressions import CONDITIONS_BUDGET, Expression
from api.cel.cost import RUNTIME_BUDGET, Budget
from api.cel.errors import BudgetExceeded, EvaluationError
from api.resource import Obj

_LONGEST_MESSAGE = 5 * 1024


# What is spent on the event loop, some 5 ms of work; dearer expressions are evaluated elsewhere.
TRIAL = 30_000


class Failed(Exception):
    """Expressions that could not be evaluated; the text is upstream's."""


class TooDear(Exception):
    """A trial that would have cost more than trials may."""


class Trial(Budget):
    """The beginning of a budget. Whoever needs more starts anew with the whole one, where that does no
    harm."""

    def __init__(self, limit: int) -> None:
        super().__init__(min(limit, TRIAL))


# Makes a budget of a limit: `Budget` or `Trial`.
BudgetOf: TypeAlias = Callable[[int], Budget]


class Variables(Mapping[str, Any]):
    """The variables of a policy: each is worked out when it is first asked for, and kept.

    What they cost is charged to the budget of whoever asks.
    """

    def __init__(
        self, expressions: Mapping[str, Expression], names: Mapping[str, Any], budget: Budget
    ) -> None:
        self._expressions = expressions
        self._names = {**names, "variables": self}
        self._known: dict[str, Any] = {}
        self.budget = budget

    def __getitem__(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        expression = self._expressions[name]
        if expression.program is None:
            raise EvaluationError(f'composited variable "{name}" fails to compile: {expression.error}')
        try:
            value = expression.program.compute(self._names, self.budget)
        except BudgetExceeded:
            raise
        except EvaluationError as error:
            raise EvaluationError(f'composited variable "{name}" fails to evaluate: {error}') from error
        self._known[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._expressions)

    def __len__(self) -> int:
        return len(self._expressions)


def run(expression: Expression, names: Mapping[str, Any], budget: Budget) -> Any:
    """Return the value of an expression.

    Raises `Failed`; when all is used up `BudgetExceeded`, of a trial `TooDear`.
    """
    if expression.program is None:
        raise Failed(f"compilation error: {expression.error}")
    try:
        return expression.program.evaluate(names, budget)
    except BudgetExceeded:
        if isinstance(budget, Trial):
            raise TooDear from None
        raise
    except EvaluationError as error:
        raise Failed(f"expression '{expression.text}' resulted in error: {error}") from error


def are_met(
    conditions: Sequence[Expression],
    names: Mapping[str, Any],
    fails_open: bool,
    budget_of: BudgetOf = Budget,
) -> bool:
    """Tell whether all match conditions hold. One that does not decides, whatever the others do.

    Raises `Failed` if one cannot be evaluated and that is not to be taken for "does not hold"; `TooDear`.
    """
    budget, faults = budget_of(CONDITIONS_BUDGET), []
    for condition in conditions:
        try:
            if run(condition, names, budget) is not True:
                return False
        except BudgetExceeded as error:
            faults.append(str(error))
            break
        except Failed as error:
            faults.append(str(error))
    if faults and not fails_open:
        raise Failed(faults[0] if len(faults) == 1 else f"[{', '.join(dict.fromkeys(faults))}]")
    return not faults


@dataclass(frozen=True)
class Denial:
    """What a validation objects to: its place in the policy (-1: the policy as such), message, reason."""

    index: int
    message: str
    reason: str = ""


@dataclass
class Verdict:
    """What a policy says of a request: objections that bindings decide about, others, and notes for the audit
    log."""

    denials: list[Denial] = field(default_factory=list)
    # Objections whatever the binding does with the others.
    faults: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def decide(
    spec: Obj, compiled: CompiledPolicy, given: Mapping[str, Any], budget_of: BudgetOf = Budget
) -> Verdict:
    """Return the verdict of a validating policy's spec; `given` holds the variables but `variables`.

    Raises `TooDear` of a trial.
    """
    fails_open = spec.get("failurePolicy") == "Ignore"
    verdict = Verdict()
    variables = Variables(compiled.variables, given, budget_of(RUNTIME_BUDGET))
    names = {**given, "variables": variables}
    try:
        # DEVIATION: conditions see the namespace, as upstream's documentation says; upstream gives them null.
        if not are_met(compiled.conditions, given, fails_open, budget_of):
            return verdict
        verdict.denials += _denials(spec, compiled, names, variables, fails_open)
        variables.budget = budget_of(RUNTIME_BUDGET)
        _annotate(spec, compiled, names, variables, verdict)
    except (Failed, BudgetExceeded) as error:
        return Verdict([] if fails_open else [Denial(0, str(error))])
    return verdict


def _denials(
    spec: Obj, compiled: CompiledPolicy, names: Mapping[str, Any], variables: Variables, fails_open: bool
) -> Iterable[Denial]:
    budget = variables.budget
    outcomes: list[bool | Failed] = []
    for expression in compiled.validations:
        try:
            outcomes.append(run(expression, names, budget) is True)
        except Failed as error:
            outcomes.append(error)
    found = []
    for index, outcome in enumerate(outcomes):
        if outcome is True:
            continue
        if isinstance(outcome, Failed):
            if not fails_open:
                found.append(Denial(index, str(outcome)))
            continue
        validation = spec["validations"][index]
        try:
            message = _message(validation, compiled.messages[index], names, budget)
        except BudgetExceeded as error:
            if not fails_open:
                found.append(Denial(index, f"failed messageExpression: {error}"))
            continue
        found.append(Denial(index, message, validation.get("reason") or "Invalid"))
    return found


def _message(validation: Obj, expression: Expression | None, names: Mapping[str, Any], budget: Budget) -> str:
    """Return the message of a failed validation: worked out, as given, or made of the expression."""
    made: Any = ""
    if expression is not None:
        try:
            made = run(expression, names, budget)
        except Failed:
            made = ""
    text = made.strip() if isinstance(made, str) else ""
    if len(text.encode()) > _LONGEST_MESSAGE or "\n" in text:
        text = ""
    given = (validation.get("message") or "").strip()
    return text or given or f"failed expression: {validation['expression'].strip()}"


def _annotate(
    spec: Obj, compiled: CompiledPolicy, names: Mapping[str, Any], variables: Variables, verdict: Verdict
) -> None:
    fails_open = spec.get("failurePolicy") == "Ignore"
    for given, expression in zip(spec.get("auditAnnotations") or (), compiled.annotations, strict=True):
        try:
            value = run(expression, names, variables.budget)
        except Failed as error:
            if not fails_open:
                verdict.faults.append(str(error))
            continue
        if isinstance(value, str):
            if value.strip():
                verdict.notes[given["key"]] = value.strip()
        elif value is not None:
            verdict.faults.append(
                f"valueExpression '{expression.text}' resulted in unsupported return type: "
                f"{type(value).__name__}. Return type must be either string or null."
            )
