"""MutatingAdmissionPolicies: expressions that say how objects are changed before they are stored.

Policies run in the order of their names, each on what those before left. One with `reinvocationPolicy:
IfNeeded` runs once more when others have changed the object after it.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating/{dispatcher,reinvocationcontext}.go (1.36).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from api.errors import StatusError
from api.patch.shape import Shape, shape_of_kind
from api.resource import Obj, Resource
from api.schemas import schema_of_kind
from api.types.admissionregistration_v1 import MUTATINGADMISSIONPOLICIES, MUTATINGADMISSIONPOLICYBINDINGS
from apiserver.admission.plugin import AdmissionRequest, Rounds
from apiserver.admission.policies import metrics
from apiserver.admission.policies.dispatch import Dispatcher, Fault, Invocation
from apiserver.admission.policies.evaluation import Failed, are_met
from apiserver.admission.policies.mutation import evaluated, mutated
from apiserver.admission.policies.pace import paced
from apiserver.admission.refusal import refuse
from apiserver.authz.authorizer import Authorizer
from apiserver.registry import Registry
from apiserver.rest.managed import shape_of
from apiserver.rest.versions import Versions

# Tells an invocation from others of the same request: policy, binding, namespace and name of the parameter.
_Key: TypeAlias = tuple[str, str, str, str]


@dataclass
class _State:
    """What is remembered from the first round. `again`: who runs in the second one; `done`: who will if the
    object changes after it."""

    output: Obj | None = None
    done: set[_Key] = field(default_factory=set)
    again: set[_Key] = field(default_factory=set)

    def changed(self) -> None:
        self.again |= self.done
        self.done = set()


class MutatingAdmissionPolicy:
    name = "MutatingAdmissionPolicy"
    in_rounds = True
    of_users = True

    def __init__(self, registry: Registry, versions: Versions, authorizer: Authorizer) -> None:
        self._versions = versions
        self._dispatcher = Dispatcher(
            registry, versions, authorizer, MUTATINGADMISSIONPOLICIES, MUTATINGADMISSIONPOLICYBINDINGS
        )

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation != "DELETE" and bool(self._dispatcher.look(request))

    def forget(self) -> None:
        self._dispatcher.forget()

    async def mutate(self, request: AdmissionRequest) -> Obj:
        obj = request.object
        if obj is None:
            return {}
        invocations, faults = await self._dispatcher.invocations(request)
        rounds = request.rounds or Rounds()
        state: _State = rounds.notes.setdefault(self.name, _State())
        if rounds.second and obj != state.output:
            state.changed()
        for invocation in invocations:
            if rounds.second and _key(invocation) not in state.again:
                continue
            made, found = await self._invoked(request.with_object(obj), invocation)
            faults += [fault for fault in found if not invocation.hook.fails_open]
            if made is None:
                continue
            if made != obj:
                state.changed()
                rounds.again = True
                obj = made
            if invocation.hook.spec.get("reinvocationPolicy") == "IfNeeded":
                state.done.add(_key(invocation))
        state.output = obj
        if faults:
            raise denied(request, faults)
        return obj

    async def _invoked(
        self, request: AdmissionRequest, invocation: Invocation
    ) -> tuple[Obj | None, list[Fault]]:
        """Return the object after all mutations of a policy, and what went wrong with some.

        None if its conditions are not met: then it is none of those that may run again.
        """
        obj, hook, faults = request.object or {}, invocation.hook, []
        given = await (await self._dispatcher.names(request)).of(invocation)
        try:
            met = partial(are_met, hook.compiled.conditions, given, hook.fails_open)
            if not await paced(hook.compiled, met):
                return None, []
        except Failed as error:
            return None, [Fault(hook, invocation.bound, str(error), "Invalid")]
        for mutation, expression in zip(hook.spec["mutations"], hook.compiled.mutations, strict=True):
            if expression is None:
                continue
            given = await (await self._dispatcher.names(request.with_object(obj))).of(invocation)
            try:
                value = await paced(hook.compiled, partial(evaluated, hook.compiled, expression, given))
                shape = shape_for(invocation.seen, given["object"])
                made = mutated(given["object"], mutation["patchType"], value, shape)
            except Failed as error:
                faults.append(Fault(hook, invocation.bound, str(error), "Invalid"))
                metrics.mutated(hook.name, invocation.bound.name, failed=True)
                continue
            metrics.mutated(hook.name, invocation.bound.name, failed=False)
            made = await self._versions.convert(made, invocation.seen, request.resource)
            obj = self._versions.regular(request.resource, made)
        return obj, faults


def shape_for(resource: Resource[Any], obj: Obj) -> Shape:
    """Return how an object merges: as its resource's, or as its own kind if that is another one (a Scale)."""
    group, _, version = obj["apiVersion"].rpartition("/")
    own = (obj["apiVersion"], obj["kind"]) == (resource.group_version, resource.kind)
    name = "" if own else schema_of_kind(group, version, obj["kind"])
    return shape_of_kind(name) if name else shape_of(resource)


def _key(invocation: Invocation) -> _Key:
    metadata = (invocation.param or {}).get("metadata") or {}
    place = (metadata.get("namespace") or "", metadata.get("name") or "")
    return (invocation.hook.name, invocation.bound.name, *place)


def denied(request: AdmissionRequest, faults: list[Fault]) -> StatusError:
    """Return the refusal of a request that policies failed for: the first one's words, all as causes."""
    texts = [
        f"policy '{fault.hook.name}' with binding '{fault.bound.name}' denied request: {fault.message}"
        if fault.bound
        else f'policy "{fault.hook.name}" denied request: {fault.message}'
        for fault in faults
    ]
    error = refuse(request, "admission request denied by policy")
    error.message = texts[0]
    error.details = {**error.details, "causes": [{"message": text} for text in texts]}
    # As upstream: the reason may be another one, the code stays that of a forbidden request.
    error.reason = faults[0].reason or error.reason
    return error
