"""Every pod runs as a service account, whose token is mounted unless that is declined.

Source: plugin/pkg/admission/serviceaccount (1.36).
"""

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
_RETRY_S = 0.1


class ServiceAccount:
    name = "ServiceAccount"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is PODS and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        if is_mirror(pod):
            _check_mirror(request, pod)
            return pod
        name = pod["spec"].get("serviceAccountName") or pod["spec"].get("serviceAccount") or "default"
        account = await self._account(request, name)
        if (account["metadata"].get("annotations") or {}).get(_ENFORCE_SECRETS) == "true":
            _check_secrets(request, pod, account)
        return with_account(pod, account, _VOLUME_PREFIX + rand.suffix())

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


def _check_secrets(request: AdmissionRequest, pod: Obj, account: Obj) -> None:
    """Refuse secrets that the account does not list, in every kind of container and reference."""
    allowed = {item.get("name") for item in account.get("secrets") or ()}
    pulls = {item.get("name") for item in account.get("imagePullSecrets") or ()}
    given = {item.get("name") for item in pod["spec"].get("imagePullSecrets") or ()}
    name = account["metadata"]["name"]
    for secret in references.secrets_of(pod):
        if secret and secret not in allowed and secret not in given:
            raise refuse(
                request,
                f'secret "{secret}" is not referenced by service account {name}, which has to list it',
            )
    for secret in given - pulls:
        raise refuse(
            request,
            f'imagePullSecrets[].name="{secret}" is not allowed because service account {name} '
            "does not reference that imagePullSecret",
        )
