"""ValidatingAdmissionPolicies: expressions that objects must satisfy.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go (1.36).
"""

from functools import partial
from typing import Any

import orjson

from api.errors import Forbidden, RequestEntityTooLarge, StatusError, Unauthorized
from api.errors import Invalid as InvalidError
from api.types.admissionregistration_v1 import (
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
)
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.policies import metrics
from apiserver.admission.policies.dispatch import Dispatcher, Fault, Invocation
from apiserver.admission.policies.evaluation import Denial, Verdict, decide
from apiserver.admission.policies.pace import paced
from apiserver.admission.refusal import refuse
from apiserver.authz.authorizer import Authorizer
from apiserver.registry import Registry
from apiserver.rest.versions import Versions

_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_LONGEST_NOTE = 10 * 1024
# How a validation's `reason` is answered; everything else is Invalid.
_ERRORS: dict[str, type[StatusError]] = {
    "Forbidden": Forbidden,
    "Unauthorized": Unauthorized,
    "RequestEntityTooLarge": RequestEntityTooLarge,
}


class ValidatingAdmissionPolicy:
    name = "ValidatingAdmissionPolicy"
    of_users = True

    def __init__(self, registry: Registry, versions: Versions, authorizer: Authorizer) -> None:
        self._dispatcher = Dispatcher(
            registry, versions, authorizer, VALIDATINGADMISSIONPOLICIES, VALIDATINGADMISSIONPOLICYBINDINGS
        )

    def handles(self, request: AdmissionRequest) -> bool:
        return bool(self._dispatcher.look(request))

    def forget(self) -> None:
        self._dispatcher.forget()

    async def validate(self, request: AdmissionRequest) -> None:
        invocations, faults = await self._dispatcher.invocations(request)
        if not invocations and not faults:
            return
        names = await self._dispatcher.names(request)
        outcome = _Outcome(request, [*faults])
        for invocation in invocations:
            hook, given = invocation.hook, await names.of(invocation)
            verdict = await paced(hook.compiled, partial(decide, hook.spec, hook.compiled, given))
            outcome.take(invocation, verdict)
        outcome.settle()


class _Outcome:
    """Gathers what the policies say of a request, then notes, warns and refuses."""

    def __init__(self, request: AdmissionRequest, denials: list[Fault]) -> None:
        self._request = request
        self._denials = denials
        self._notes: dict[str, dict[str, None]] = {}

    def take(self, invocation: Invocation, verdict: Verdict) -> None:
        hook, bound = invocation.hook, invocation.bound
        for denial in verdict.denials:
            for action in bound.actions:
                metrics.objected(hook.name, bound.name, action.lower(), failed=not denial.reason)
            if "Deny" in bound.actions:
                self._denials.append(Fault(hook, bound, denial.message, denial.reason))
            if "Warn" in bound.actions:
                self._warn(f"{_policy(hook.name, bound.name, 'Validation failed for ')}: {denial.message}")
            if "Audit" in bound.actions:
                self._audit(_FAILURE, _failure(invocation, denial))
        self._denials += [Fault(hook, bound, message) for message in verdict.faults]
        for key, value in verdict.notes.items():
            # Bindings with different parameters may say different things: all are kept.
            self._notes.setdefault(f"{hook.name}/{key}", {})[value[:_LONGEST_NOTE]] = None

    def settle(self) -> None:
        """Write the notes, and raise the first refusal if there is one."""
        for key, values in self._notes.items():
            self._audit(key, ", ".join(values))
        if not self._denials:
            return
        first = self._denials[0]
        who = _policy(first.hook.name, first.bound.name if first.bound else "")
        raise denied(self._request, f"{who} denied request: {first.message}", first.reason)

    def _warn(self, text: str) -> None:
        if self._request.request is not None:
            self._request.request.warn(text)

    def _audit(self, key: str, value: str) -> None:
        if self._request.request is not None:
            self._request.request.audit[key] = value


def _policy(policy: str, binding: str, prefix: str = "") -> str:
    with_binding = f" with binding '{binding}'" if binding else ""
    return f"{prefix}ValidatingAdmissionPolicy '{policy}'{with_binding}"


def _failure(invocation: Invocation, denial: Denial) -> str:
    value: dict[str, Any] = {
        "message": denial.message,
        "policy": invocation.hook.name,
        "binding": invocation.bound.name,
        "expressionIndex": denial.index,
        "validationActions": list(invocation.bound.actions),
    }
    return orjson.dumps([value]).decode()


def denied(request: AdmissionRequest, message: str, reason: str) -> StatusError:
    """Return the error of a refusal: the text of a forbidden request, under the reason that the policy
    gives."""
    forbidden = refuse(request, message)
    details = {**forbidden.details, "causes": [{"message": message}]}
    return _ERRORS.get(reason, InvalidError)(forbidden.message, details)
