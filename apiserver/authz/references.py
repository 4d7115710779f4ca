"""What a pod makes its node need: the objects a pod's spec refers to. Pure; called by the Node authorizer.

Source: plugin/pkg/auth/authorizer/node/graph_populator.go, pkg/api/pod VisitPodSecretNames (1.36).
"""

from collections.abc import Iterator
from typing import Any

from api.resource import Obj

_CSI_SECRETS = ("controllerPublish", "nodePublish", "nodeStage", "controllerExpand", "nodeExpand")
_SECRET_DRIVERS = ("cephfs", "flexVolume", "rbd", "scaleIO", "storageos", "iscsi")


def service_account_of(pod: Obj) -> str:
    """Return the name of the pod's service account."""
    return str(pod["spec"].get("serviceAccountName") or "")


def secrets_of(pod: Obj) -> Iterator[str]:
    """Yield the names of the secrets that a pod uses."""
    spec = pod["spec"]
    for ref in spec.get("imagePullSecrets") or ():
        yield ref.get("name", "")
    for ref in _env_refs(spec, "secretKeyRef", "secretRef"):
        yield ref.get("name", "")
    for volume in spec.get("volumes") or ():
        if "secret" in volume:
            yield volume["secret"].get("secretName", "")
        for source in _projected(volume, "secret"):
            yield source.get("name", "")
        for driver in _SECRET_DRIVERS:
            yield (volume.get(driver, {}).get("secretRef") or {}).get("name", "")
        yield (volume.get("csi", {}).get("nodePublishSecretRef") or {}).get("name", "")
        yield volume.get("azureFile", {}).get("secretName", "")


def configmaps_of(pod: Obj) -> Iterator[str]:
    """Yield the names of the config maps that a pod uses."""
    spec = pod["spec"]
    for ref in _env_refs(spec, "configMapKeyRef", "configMapRef"):
        yield ref.get("name", "")
    for volume in spec.get("volumes") or ():
        if "configMap" in volume:
            yield volume["configMap"].get("name", "")
        for source in _projected(volume, "configMap"):
            yield source.get("name", "")


def claims_of(pod: Obj) -> Iterator[str]:
    """Yield the names of the persistent volume claims that a pod uses."""
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"].get("claimName", "")
        elif "ephemeral" in volume:
            yield f"{pod['metadata']['name']}-{volume['name']}"


def resource_claims_of(pod: Obj) -> Iterator[str]:
    """Yield the names of the resource claims that a pod uses, given or generated."""
    for claim in pod["spec"].get("resourceClaims") or ():
        yield claim.get("resourceClaimName") or ""
    for status in pod.get("status", {}).get("resourceClaimStatuses") or ():
        yield status.get("resourceClaimName") or ""


def volume_secrets_of(volume: Obj) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of the secrets that a persistent volume refers to.

    Without a namespace of its own a reference means the claim's. Source: VisitPVSecretNames (1.36).
    """
    spec = volume.get("spec") or {}
    home = (spec.get("claimRef") or {}).get("namespace", "")
    csi = spec.get("csi") or {}
    refs = [csi.get(f"{when}SecretRef") for when in _CSI_SECRETS]
    refs += [(spec.get(driver) or {}).get("secretRef") for driver in _SECRET_DRIVERS]
    for ref in refs:
        if ref and ref.get("name"):
            yield ref.get("namespace") or home, ref["name"]
    if name := (spec.get("azureFile") or {}).get("secretName"):
        yield spec["azureFile"].get("secretNamespace") or home, name


def _containers(spec: Obj) -> Iterator[Obj]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or ()


def _env_refs(spec: Obj, key_ref: str, whole_ref: str) -> Iterator[dict[str, Any]]:
    for container in _containers(spec):
        for variable in container.get("env") or ():
            ref = (variable.get("valueFrom") or {}).get(key_ref)
            if ref:
                yield ref
        for source in container.get("envFrom") or ():
            ref = source.get(whole_ref)
            if ref:
                yield ref


def _projected(volume: Obj, kind: str) -> Iterator[dict[str, Any]]:
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get(kind):
            yield source[kind]
