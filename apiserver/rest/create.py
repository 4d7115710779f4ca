"""Create: POST, and what the API server itself creates.

Spec: k8s.io/apiserver/pkg/registry/generic/registry Store.Create, endpoints/handlers createHandler (1.36).
"""

from api import errors
from api.errors import StatusError, Timeout
from api.resource import Obj
from apiserver.admission.plugin import AdmissionRequest
from apiserver.rest import meta
from apiserver.rest.hub import Collection, Hub, Operation, Stored, translated
from apiserver.rest.managed import stamped
from kit import rand
from kit.apart import apart
from store.backend import KeyExists, StoreError

# How often another generated name is tried.
NAME_ATTEMPTS = 8


async def create(hub: Hub, collection: Collection, namespace: str, body: Obj, operation: Operation) -> Stored:
    """Store a new object with defaults, admission and validation; return it.

    Raises `AlreadyExists`, `Invalid`, `Forbidden`, `BadRequest`, ...
    """
    metadata = body.get("metadata") or {}
    generated = bool(metadata.get("generateName")) and not metadata.get("name")
    for _ in range(NAME_ATTEMPTS - 1 if generated else 0):
        try:
            return await _once(hub, collection, namespace, body, operation, rand.suffix())
        except errors.AlreadyExists:
            continue
    suffix = rand.suffix() if generated else ""
    return await _once(hub, collection, namespace, body, operation, suffix)


async def _once(
    hub: Hub, collection: Collection, namespace: str, body: Obj, operation: Operation, suffix: str
) -> Stored:
    resource, strategy = collection.resource, collection.strategy
    strategy.check_create()
    weight = operation.weight * strategy.dearness
    fresh = meta.for_create(resource, body, namespace, hub.now(), rand.uid(), suffix)
    obj = await apart(weight, strategy.defaults, fresh)
    if not obj["metadata"]["name"]:
        raise meta.name_required(resource)
    request = AdmissionRequest(
        "CREATE",
        resource,
        namespace,
        obj["metadata"]["name"],
        operation.user,
        obj,
        options=operation.options,
        dry_run=operation.dry_run,
        request=operation.request,
    )
    mutated = await hub.admission.mutate(request)
    if mutated is not obj:
        mutated = meta.kept_new(resource, mutated, obj)
    obj = strategy.prepare_for_create(strategy.attributed(mutated, operation.user))
    if strategy.drop is not None:
        obj = strategy.drop(obj, {})
    if strategy.has_generation:
        obj = meta.with_metadata(obj, generation=1)
    obj, guard = await strategy.reserve(obj, None, operation.dry_run)
    try:
        if faults := await apart(weight, strategy.validate, obj):
            raise errors.invalid(resource.group, resource.kind, obj["metadata"]["name"], faults)
        if operation.request:
            for text in strategy.warnings(obj):
                operation.request.warn(text)
        await hub.admission.validate(request.with_object(obj))
        if not operation.managed:
            obj = await apart(weight, stamped, hub, resource, obj, None, operation)
        return await _write(hub, collection, obj, operation)
    except StatusError as error:
        # After a timeout the write may have happened: then its event, or a restart, tells.
        if guard is not None and not isinstance(error, Timeout):
            guard.release()
        raise


async def _write(hub: Hub, collection: Collection, obj: Obj, operation: Operation) -> Stored:
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    key = collection.key(namespace, name)
    value = await collection.encode(obj, operation.weight)
    served = await collection.told(value)
    if operation.dry_run:
        if await _exists(hub, key):
            raise errors.already_exists(collection.resource, name)
        return Stored(served, obj, created=True)
    hub.remember(collection, key, value, served, obj)
    try:
        revision = await hub.backend.create(key, value, collection.strategy.ttl_s)
    except KeyExists as error:
        hub.feed.pending.pop(key, None)
        raise errors.already_exists(collection.resource, name) from error
    except StoreError as error:
        hub.feed.pending.pop(key, None)
        raise translated(error) from error
    revision = await hub.settled(collection, revision, name if operation.request else "")
    return Stored(collection.layout.serve(served, revision), obj, created=True)


async def _exists(hub: Hub, key: str) -> bool:
    try:
        return await hub.backend.get(key) is not None
    except StoreError as error:
        raise translated(error) from error
