"""Every pod runs as a service account, whose token is mounted unless that is declined.

Source: plugin/pkg/admission/serviceaccount (1.36).
"""

from collections.abc import Iterator
from typing import Any

from api.errors import NotFound
from api.podspec import is_mirror
from api.resource import Obj
from api.types.core_v1 import PODS, SERVICEACCOUNTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.authz import references
from apiserver.registry import Registry
from kit import clock, rand

_VOLUME_PREFIX = "kube-api-access-"
_MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
# A pod may follow its namespace faster than the controller that makes the account `default`.
_DEFAULT_ATTEMPTS = 10
# Kinds of containers, as refusals name them.
_CONTAINERS = {
    "initContainers": "init container",
    "containers": "container",
    "ephemeralContainers": "ephemeral container",
}
_RETRY_S = 0.1


class ServiceAccount:
    name = "ServiceAccount"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        if request.resource is not PODS:
            return False
        created = request.operation == "CREATE" and not request.subresource
        return created or (request.operation == "UPDATE" and request.subresource == "ephemeralcontainers")

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        if is_mirror(pod):
            _check_mirror(request, pod)
            return pod
        if request.subresource:
            return await self._with_new_containers(request, pod)
        name = pod["spec"].get("serviceAccountName") or pod["spec"].get("serviceAccount") or "default"
        account = await self._account(request, name)
        if is_limited(account):
            _refuse_first(request, secret_faults(pod, account))
        return with_account(pod, account, _VOLUME_PREFIX + rand.suffix())

    async def _with_new_containers(self, request: AdmissionRequest, pod: Obj) -> Obj:
        """Return the pod: a debug container may use no other secrets than the rest of it."""
        account = await self._account(request, pod["spec"].get("serviceAccountName") or "default")
        if is_limited(account):
            _refuse_first(request, container_faults(pod, account, "ephemeralContainers"))
        return pod

    async def _account(self, request: AdmissionRequest, name: str) -> Obj:
        found = self._registry.cached(SERVICEACCOUNTS, request.namespace, name)
        if found is not None:
            return found
        attempts = _DEFAULT_ATTEMPTS if name == "default" else 1
        for attempt in range(attempts):
            if attempt:
                await clock.sleep(rand.jitter(_RETRY_S, 1.0))
            try:
                return await self._registry.get(SERVICEACCOUNTS, request.namespace, name)
            except NotFound:
                continue
        missing = f'serviceaccount "{name}" not found'
        raise refuse(request, f"error looking up service account {request.namespace}/{name}: {missing}")


def with_account(pod: Obj, account: Obj, volume_name: str) -> Obj:
    """Return the pod as it runs under an account: named, with the token mounted and the pull secrets."""
    name = account["metadata"]["name"]
    spec = {**pod["spec"], "serviceAccountName": name, "serviceAccount": name}
    if wants_token(pod, account):
        spec = with_token(spec, volume_name)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(item) for item in account["imagePullSecrets"]]
    return {**pod, "spec": spec}


def wants_token(pod: Obj, account: Obj) -> bool:
    """Tell whether the token is mounted: the pod's word counts, then the account's, then yes."""
    for said in (
        pod["spec"].get("automountServiceAccountToken"),
        account.get("automountServiceAccountToken"),
    ):
        if said is not None:
            return bool(said)
    return True


def with_token(spec: Obj, volume_name: str) -> Obj:
    """Return the pod spec with the token volume, mounted in every container that has nothing at its path."""
    volumes = list(spec.get("volumes") or ())
    present = next((item["name"] for item in volumes if item["name"].startswith(_VOLUME_PREFIX)), "")
    name = present or volume_name
    mount = {"name": name, "readOnly": True, "mountPath": _MOUNT_PATH}
    spec = dict(spec)
    is_used = False
    for key in ("initContainers", "containers"):
        if not spec.get(key):
            continue
        mounted = [_with_mount(container, mount) for container in spec[key]]
        is_used = is_used or any(new is not old for new, old in zip(mounted, spec[key], strict=True))
        spec[key] = mounted
    if is_used and not present:
        spec["volumes"] = [*volumes, token_volume(name)]
    return spec


def _with_mount(container: Obj, mount: Obj) -> Obj:
    mounts = container.get("volumeMounts") or []
    if any(item.get("mountPath") == _MOUNT_PATH for item in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, dict(mount)]}


def token_volume(name: str) -> Obj:
    """Return the projected volume of token, CA certificate and namespace."""
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources: list[dict[str, Any]] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _check_mirror(request: AdmissionRequest, pod: Obj) -> None:
    if pod["spec"].get("serviceAccountName"):
        raise refuse(request, "a mirror pod may not reference service accounts")
    if any(references.secrets_of(pod)):
        raise refuse(request, "a mirror pod may not reference secrets")
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                raise refuse(request, "a mirror pod may not use ServiceAccountToken volume projections")


def _refuse_first(request: AdmissionRequest, faults: Iterator[str]) -> None:
    why = next(faults, "")
    if why:
        raise refuse(request, why)


def is_limited(account: Obj) -> bool:
    """Tell whether the pods of an account may use only the secrets that it lists."""
    return (account["metadata"].get("annotations") or {}).get(_ENFORCE_SECRETS) == "true"


def secret_faults(pod: Obj, account: Obj) -> Iterator[str]:
    """Yield what a pod uses of secrets that its account does not list, in upstream's words."""
    allowed, name = _listed(account, "secrets"), account["metadata"]["name"]
    for volume in pod["spec"].get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName", "")
        if "secret" in volume and secret not in allowed:
            yield f'volume with secret.secretName="{secret}" {_not_listed(name)}'
    for kind in _CONTAINERS:
        yield from container_faults(pod, account, kind)
    pulls = _listed(account, "imagePullSecrets")
    for number, item in enumerate(pod["spec"].get("imagePullSecrets") or ()):
        if item.get("name", "") not in pulls:
            why = f"is not allowed because service account {name} does not reference that imagePullSecret"
            yield f'imagePullSecrets[{number}].name="{item.get("name", "")}" {why}'


def container_faults(pod: Obj, account: Obj, kind: str) -> Iterator[str]:
    """Yield what the containers of one kind use of secrets that the account does not list."""
    allowed, name = _listed(account, "secrets"), account["metadata"]["name"]
    for container in pod["spec"].get(kind) or ():
        for place, secret in _secrets_of_container(container):
            if secret not in allowed:
                what = f"{_CONTAINERS[kind]} {container.get('name', '')} with {place}"
                yield f'{what} referencing secret.secretName="{secret}" {_not_listed(name)}'


def _secrets_of_container(container: Obj) -> Iterator[tuple[str, str]]:
    """Yield where a container refers to a secret, and its name."""
    for variable in container.get("env") or ():
        source = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if source is not None:
            yield f"envVar {variable.get('name', '')}", source.get("name", "")
    for whole in container.get("envFrom") or ():
        if whole.get("secretRef") is not None:
            yield "envFrom", whole["secretRef"].get("name", "")


def _listed(account: Obj, field: str) -> set[str]:
    return {item.get("name", "") for item in account.get(field) or ()}


def _not_listed(account: str) -> str:
    return f"is not allowed because service account {account} does not reference that secret"
