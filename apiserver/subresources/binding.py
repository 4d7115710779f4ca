"""Binding a pod to a node: POST pods/NAME/binding, and the older POST bindings.

Source: pkg/registry/core/pod/storage/storage.go BindingREST (1.36).
"""

from typing import Any

from api import errors, field
from api.conditions import set_condition
from api.errors import BadRequest, MethodNotAllowed
from api.resource import Key, Obj
from api.types.core_v1 import BINDINGS, PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import Answer, Request
from apiserver.rest import meta, render
from apiserver.rest.hub import Collection, Hub
from apiserver.rest.options import operation_of
from apiserver.rest.reading import read
from apiserver.rest.update import rewrite

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def handle(hub: Hub, collection: Collection, request: Request) -> Answer:
    """Answer POST pods/NAME/binding."""
    return await bind(hub, request)


async def bind(hub: Hub, request: Request) -> Answer:
    """Answer POST pods/NAME/binding and POST bindings."""
    if request.info.verb != "create":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    form, pods = render.form_of(request), hub.of(PODS)
    binding = await read(request, BINDINGS)
    namespace = request.info.namespace
    name = request.info.name or (binding.get("metadata") or {}).get("name") or ""
    meta.check_namespace(PODS, binding.get("metadata") or {}, namespace)
    given = (binding.get("metadata") or {}).get("name")
    if given and given != name:
        raise BadRequest(f"name in URL does not match name in Binding object: {name} {given}")
    _check(binding, name)
    operation = operation_of(request)
    admission = AdmissionRequest(
        "CREATE", PODS, namespace, name, operation.user, binding, None, "binding", operation.options,
        operation.dry_run, request,
    )  # fmt: skip
    admitted = await hub.admission.mutate(admission)
    await hub.admission.validate(admission.with_object(admitted))
    now = hub.now()
    await rewrite(hub, pods, Key(namespace, name), lambda pod: bound(pod, admitted, now), operation)
    return render.response(form, _SUCCESS, 201)


def _check(binding: Obj, name: str) -> None:
    target = binding.get("target") or {}
    path = field.Path("target")
    faults = []
    if target.get("kind") not in ("", None, "Node"):
        faults.append(field.not_supported(path.child("kind"), target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        faults.append(field.required(path.child("name")))
    if faults:
        raise errors.invalid("", "Binding", name, faults)


def bound(pod: Obj, binding: Obj, now: Any) -> Obj:
    """Return the pod on its node. Raises `Conflict` if it cannot be bound (any more)."""
    metadata, spec = pod["metadata"], pod["spec"]
    given = binding.get("metadata") or {}
    why = ""
    if given.get("uid") and given["uid"] != metadata["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {metadata['uid']}"
        )
    elif given.get("resourceVersion") and given["resourceVersion"] != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {given['resourceVersion']}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
    elif metadata.get("deletionTimestamp"):
        why = f"pod {metadata['name']} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {metadata["name"]} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {metadata['name']} has non-empty .spec.schedulingGates"
    if why:
        raise errors.Conflict(
            f'Operation cannot be fulfilled on pods/binding "{metadata["name"]}": {why}',
            {"name": metadata["name"], "kind": "pods/binding"},
        )
    new = {**pod, "spec": {**spec, "nodeName": binding["target"]["name"]}}
    for name in ("annotations", "labels"):
        if added := given.get(name):
            present = new["metadata"]
            new["metadata"] = {**present, name: {**(present.get(name) or {}), **added}}
    # What was only planned is done. Spec: ClearingNominatedNodeNameAfterBinding (1.36).
    status = {key: value for key, value in (pod.get("status") or {}).items() if key != "nominatedNodeName"}
    condition: Any = {"type": "PodScheduled", "status": "True"}
    new["status"] = {**status, "conditions": set_condition(status.get("conditions"), condition, now)}
    return new
