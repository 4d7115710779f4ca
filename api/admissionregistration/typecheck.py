"""Type checking of validating policies: what would fail if objects are as their schemas say.

The outcome is only told, in the policy's status; it changes nothing. Called by the API server's controller.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.admissionregistration.compiled import compile_variables
from api.admissionregistration.expressions import Scope, environment_of
from api.cel.environment import Environment
from api.cel.errors import CompileError
from api.cel.types import Type
from api.resource import Obj

# No policy is checked against more kinds than this.
MOST_KINDS = 10


@dataclass(frozen=True)
class Kind:
    """A kind that a policy is about, with the type that its schema makes."""

    group: str
    version: str
    kind: str
    type: Type

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


def named_resources(policy: Obj) -> list[tuple[str, str, str]]:
    """Return the (group, version, plural)s that the rules of a policy name without wildcards."""
    found: dict[tuple[str, str, str], None] = {}
    constraints = (policy.get("spec") or {}).get("matchConstraints") or {}
    for rule in constraints.get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in name for name in (*groups, *versions)):
            continue
        plain = sorted(name for name in rule.get("resources") or () if "*" not in name and "/" not in name)
        for group in sorted(groups):
            for version in sorted(versions):
                found.update(dict.fromkeys((group, version, plural) for plural in plain))
    return list(found)


def warnings(policy: Obj, kinds: Sequence[Kind], params: Type | None) -> Iterator[Obj | None]:
    """Yield for each expression of a policy its ExpressionWarning, or None: so that it can be done in pieces.

    `params`: the type of its parameters, if there is one.
    """
    spec = policy.get("spec") or {}
    ordered = sorted(kinds, key=lambda item: (item.group, item.version, item.kind))[:MOST_KINDS]
    environments = [(kind, _environment(spec, kind.type, params)) for kind in ordered]
    for path, text in _expressions(spec):
        faults = [
            f"{kind}: {fault}\n" for kind, environment in environments if (fault := _fault(environment, text))
        ]
        yield {"fieldRef": path, "warning": "\n".join(faults)} if faults else None


def _expressions(spec: Obj) -> Iterator[tuple[str, str]]:
    for number, validation in enumerate(spec.get("validations") or ()):
        yield f"spec.validations[{number}].expression", validation.get("expression") or ""
        if text := validation.get("messageExpression"):
            yield f"spec.validations[{number}].messageExpression", text


def _environment(spec: Obj, object_type: Type, params: Type | None) -> Environment:
    scope = Scope(params is not None)

    def of(variables: Mapping[str, Type]) -> Environment:
        if params is None:
            return environment_of(scope, variables, object_type)
        return environment_of(scope, variables, object_type, params)

    _, types = compile_variables(spec, scope, of)
    return of(types)


def _fault(environment: Environment, text: str) -> str:
    try:
        environment.compile(text)
    except CompileError as error:
        return str(error)
    return ""
