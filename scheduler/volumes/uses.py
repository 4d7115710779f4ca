"""Which of a pod's volumes matter to its placement: claims, disks that only some pods may share, and disks of
built-in plugins that CSI drivers have taken over. Config maps, empty directories and the like fit anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.types.core_v1 import Pod

CLAIM, EPHEMERAL = "persistentVolumeClaim", "ephemeral"
GCE, EBS, ISCSI, RBD = "gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd"
AZURE, CINDER, PORTWORX = "azureDisk", "cinder", "portworxVolume"


@dataclass(frozen=True)
class Use:
    """One volume of a pod. `source` is the key under which the pod names it; `name` is the claim's name, or
    says which disk it is.
    """

    source: str
    name: str
    # Of claims only.
    namespace: str = ""
    read_only: bool = False
    # Of Ceph images only.
    monitors: tuple[str, ...] = ()

    @property
    def is_claim(self) -> bool:
        return self.source == CLAIM or self.source == EPHEMERAL

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what two pods have in common that use the same claim or disk."""
        return (CLAIM if self.is_claim else self.source), self.namespace, self.name


def _claim(pod: Pod, volume: Mapping[str, Any]) -> Use:
    return Use(CLAIM, volume[CLAIM].get("claimName", ""), pod["metadata"]["namespace"])


def _ephemeral(pod: Pod, volume: Mapping[str, Any]) -> Use:
    """A claim is made for it, called after the pod and the volume. Source: component-helpers
    storage/ephemeral.
    """
    return Use(EPHEMERAL, f"{pod['metadata']['name']}-{volume['name']}", pod["metadata"]["namespace"])


def _disk(source: str, name: str) -> Callable[[Pod, Mapping[str, Any]], Use]:
    def use(_: Pod, volume: Mapping[str, Any]) -> Use:
        return Use(source, volume[source].get(name, ""), read_only=bool(volume[source].get("readOnly")))

    return use


def _image(_: Pod, volume: Mapping[str, Any]) -> Use:
    rbd = volume[RBD]
    name = f"{rbd.get('pool', 'rbd')}/{rbd['image']}"
    return Use(RBD, name, read_only=bool(rbd.get("readOnly")), monitors=tuple(rbd["monitors"]))


_USES: Mapping[str, Callable[[Pod, Mapping[str, Any]], Use]] = {
    CLAIM: _claim,
    EPHEMERAL: _ephemeral,
    GCE: _disk(GCE, "pdName"),
    EBS: _disk(EBS, "volumeID"),
    ISCSI: _disk(ISCSI, "iqn"),
    RBD: _image,
    AZURE: _disk(AZURE, "diskURI"),
    CINDER: _disk(CINDER, "volumeID"),
    PORTWORX: _disk(PORTWORX, "volumeID"),
}
_SOURCES = frozenset(_USES)


def uses_of(pod: Pod) -> tuple[Use, ...]:
    """Return the volumes that matter, each once, in the pod's order.

    DEVIATION: upstream looks for two volumes for a waiting claim that a pod names twice.
    """
    volumes: Any = pod["spec"].get("volumes")
    if not volumes:
        return ()
    found: dict[Use, None] = {}
    for volume in volumes:
        if not _SOURCES.isdisjoint(volume):
            source = next(key for key in volume if key in _SOURCES)
            found[_USES[source](pod, volume)] = None
    return tuple(found)


def claims_of(pod: Pod) -> set[str]:
    """Return the names of the claims that a pod uses, those of its ephemeral volumes too."""
    return {use.name for use in uses_of(pod) if use.is_claim}
