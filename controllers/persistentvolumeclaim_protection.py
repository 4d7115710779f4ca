"""persistentvolumeclaim-protection-controller: a claim that is being deleted stays as long as pods use it.

A pod counts from the moment it has a node until it is gone, even if it has ended: its volumes may still be
mounted. Only a claim made for the pod (an ephemeral volume) does not wait for a pod with which its node is
done, so that the two cannot wait for each other.

The cache may not know of the newest pods, so the server itself is asked before a claim is let go. As upstream
has it, pods that get a node only then are the node's to refuse.

Source: pkg/controller/volume/pvcprotection (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.owners import is_controlled_by
from api.resource import Key, key_of
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PODS, PersistentVolumeClaim, Pod
from controllers.framework.controller import Controller, Reader, View, Watch, controller
from controllers.framework.plan import Plan
from controllers.protection import Protection

_PROTECTION = Protection(PERSISTENTVOLUMECLAIMS, "kubernetes.io/pvc-protection")
_INDEX = "claims"
# When to look again for a pod of which only the server knows yet; as a rule its event comes first.
_AGAIN_S = 5.0
# Pods per page of a list: some milliseconds of decoding.
_PAGE = 500


def claims_of(pod: Mapping[str, Any]) -> Iterable[Key]:
    """Return the keys of the claims in a pod's volumes."""
    metadata = pod["metadata"]
    for volume in pod["spec"].get("volumes") or ():
        if (source := volume.get("persistentVolumeClaim")) is not None:
            yield Key(metadata["namespace"], source["claimName"])
        elif volume.get("ephemeral") is not None:
            yield Key(metadata["namespace"], f"{metadata['name']}-{volume['name']}")


def is_used(claim: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether one of the pods (of the claim's namespace) uses the claim."""
    return any(_uses(pod, claim) for pod in pods)


def _uses(pod: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    if not pod["spec"].get("nodeName"):
        return False
    name, volumes = claim["metadata"]["name"], pod["spec"].get("volumes") or ()
    if any((volume.get("persistentVolumeClaim") or {}).get("claimName") == name for volume in volumes):
        return True
    named = key_of(claim) in claims_of(pod)
    return named and not _is_shut_down(pod) and is_controlled_by(claim, pod)


def _is_shut_down(pod: Mapping[str, Any]) -> bool:
    """Tell whether the node is done with the pod, or it was deleted by force (a finalizer may keep it)."""
    metadata = pod["metadata"]
    return "deletionTimestamp" in metadata and metadata.get("deletionGracePeriodSeconds") == 0


def _by_claim(pod: Mapping[str, Any]) -> list[str]:
    return [str(key) for key in claims_of(pod)] if pod["spec"].get("nodeName") else []


def _known_users(claim: Mapping[str, Any], view: View) -> Iterable[Pod]:
    return view.by(PODS, _INDEX, str(key_of(claim)))


def _leaving(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    for key in claims_of(pod):
        claim = view.get(PERSISTENTVOLUMECLAIMS, *key)
        if claim is not None and _PROTECTION.is_leaving(claim):
            yield key


def _hold(pod: Mapping[str, Any]) -> tuple[bool, bool]:
    return bool(pod["spec"].get("nodeName")), _is_shut_down(pod)


class _Server:
    """Asks the server for users. Its last answer serves all claims of the namespace deleted before it."""

    def __init__(self) -> None:
        self._namespace = ""
        self._revision = 0
        self._used: frozenset[str] = frozenset()

    async def knows_users(
        self, claim: PersistentVolumeClaim, view: View, now: datetime, reader: Reader
    ) -> bool:
        if not _PROTECTION.is_leaving(claim) or is_used(claim, _known_users(claim, view)):
            return False
        if self._says_unused(claim):
            return False
        return is_used(claim, await self._list(reader, claim["metadata"]["namespace"]))

    def _says_unused(self, claim: Mapping[str, Any]) -> bool:
        # The store counts the changes of all resources together: a claim can be compared with a list of pods.
        namespace, revision = claim["metadata"]["namespace"], int(claim["metadata"]["resourceVersion"])
        if namespace != self._namespace or revision > self._revision:
            return False
        return str(key_of(claim)) not in self._used

    async def _list(self, reader: Reader, namespace: str) -> list[Pod]:
        users: list[Pod] = []
        token = ""
        while True:
            page = await reader.list(PODS, namespace, limit=_PAGE, continue_token=token)
            users += [pod for pod in page.items if _by_claim(pod)]
            token = page.continue_token
            if not token:
                break
        self._namespace, self._revision = namespace, int(page.resource_version)
        self._used = frozenset(key for pod in users for key in _by_claim(pod))
        return users


def plan(claim: PersistentVolumeClaim, view: View, now: datetime, seen: bool = False) -> Plan:
    """Plan for one claim; `seen`: the server knows of users that the cache does not know."""
    if seen:
        return Plan(requeue_after=_AGAIN_S)
    return _PROTECTION.plan(claim, is_used(claim, _known_users(claim, view)))


def persistentvolumeclaim_protection() -> Controller[PersistentVolumeClaim]:
    """Return the controller."""
    return controller(
        "persistentvolumeclaim-protection-controller",
        of=PERSISTENTVOLUMECLAIMS,
        watches={PODS: Watch(_leaving, _hold)},
        indexes={PODS: {_INDEX: _by_claim}},
        observe=_Server().knows_users,
        relevant=_PROTECTION.due,
    )(plan)
