"""Short ways to say a claim, a volume, a class and what else there is about storage."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from api.types.storage_v1 import (
    CSIDRIVERS,
    CSINODES,
    CSISTORAGECAPACITIES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
)
from scheduler.decide import find_feasible
from scheduler.framework import Profile
from scheduler.plugins.node_volume_limits import NodeVolumeLimits
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.plugins.volume_restrictions import VolumeRestrictions
from scheduler.plugins.volume_zone import VolumeZone
from tests.unit.scheduler.build import World

RESOURCES = {
    resource.kind: resource
    for resource in (
        PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES, CSINODES, CSIDRIVERS,
        CSISTORAGECAPACITIES, VOLUMEATTACHMENTS,
    )
}  # fmt: skip
VOLUMES = Profile(
    "volumes", (VolumeRestrictions(), NodeVolumeLimits(), VolumeBinding(), VolumeZone()), scores=()
)
SELECTED = "volume.kubernetes.io/selected-node"
COMPLETED = "pv.kubernetes.io/bind-completed"


def claim(name: str, volume: str = "", storage: str = "", **more: Any) -> Any:
    """Return a claim of 1Gi in class `storage`; with a `volume` it is bound for good."""
    annotations = {**({COMPLETED: "yes"} if volume else {}), **more.pop("annotations", {})}
    metadata = {
        "name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "5",
        "annotations": annotations, **more.pop("metadata", {}),
    }  # fmt: skip
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": more.pop("size", "1Gi")}},
        **({"volumeName": volume} if volume else {}),
        **({"storageClassName": storage} if storage else {}),
        **more.pop("spec", {}),
    }
    status = {"phase": more.pop("phase", "Bound" if volume else "Pending")}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec, "status": status}


def volume(name: str, storage: str = "", **more: Any) -> Any:
    """Return an available CSI volume of 1Gi; `near` is (label, values), `kept` the claim it is for."""
    spec: dict[str, Any] = {
        "capacity": {"storage": more.pop("size", "1Gi")},
        "accessModes": more.pop("modes", ["ReadWriteOnce"]),
        **more.pop("source", {"csi": {"driver": "csi.example.com", "volumeHandle": f"handle-{name}"}}),
    }
    if storage:
        spec["storageClassName"] = storage
    if near := more.pop("near", None):
        spec["nodeAffinity"] = affinity([{"key": near[0], "operator": "In", "values": list(near[1])}])
    if kept := more.pop("kept", None):
        spec["claimRef"] = {"namespace": "default", "name": kept}
    metadata = {"name": name, "resourceVersion": "5", "labels": more.pop("labels", {})}
    metadata.update(more.pop("metadata", {}))
    status = {"phase": more.pop("phase", "Available")}
    return {"kind": "PersistentVolume", "metadata": metadata, "spec": {**spec, **more}, "status": status}


def affinity(*terms: Any) -> Any:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": list(term)} for term in terms]}}


def storage_class(name: str, provisioner: str = "csi.example.com", waits: bool = True, **more: Any) -> Any:
    mode = "WaitForFirstConsumer" if waits else "Immediate"
    metadata = {"name": name}
    return {
        "kind": "StorageClass", "metadata": metadata, "provisioner": provisioner, "volumeBindingMode": mode,
        **more,
    }  # fmt: skip


def csinode(name: str, limits: Mapping[str, int | None], migrated: str = "") -> Any:
    drivers = [
        {"name": driver, "nodeID": name, **({} if count is None else {"allocatable": {"count": count}})}
        for driver, count in limits.items()
    ]
    annotations = {"storage.alpha.kubernetes.io/migrated-plugins": migrated} if migrated else {}
    metadata = {"name": name, "annotations": annotations}
    return {"kind": "CSINode", "metadata": metadata, "spec": {"drivers": drivers}}


def driver(name: str = "csi.example.com", counts: bool = True) -> Any:
    return {"kind": "CSIDriver", "metadata": {"name": name}, "spec": {"storageCapacity": counts}}


def capacity(name: str, storage: str, topology: Any, **more: Any) -> Any:
    metadata = {"name": name, "namespace": "default"}
    found = {"kind": "CSIStorageCapacity", "metadata": metadata, "storageClassName": storage, **more}
    return found if topology is None else {**found, "nodeTopology": topology}


def attachment(name: str, node: str, volume: str, attacher: str = "csi.example.com") -> Any:
    spec = {"attacher": attacher, "nodeName": node, "source": {"persistentVolumeName": volume}}
    return {"kind": "VolumeAttachment", "metadata": {"name": name}, "spec": spec}


def uses(*names: str) -> list[Any]:
    """Return a pod's volumes from these claims."""
    return [{"name": f"v{n}", "persistentVolumeClaim": {"claimName": name}} for n, name in enumerate(names)]


class StorageWorld(World):
    """A cluster with other objects in it."""

    def __init__(self, nodes: Iterable[Any], pods: Iterable[Any] = (), objects: Iterable[Any] = ()) -> None:
        super().__init__(nodes)
        for each in objects:
            self.put(each)
        for each in pods:
            self.place(each)

    def put(self, obj: Any) -> None:
        self.objects.changed(RESOURCES[obj["kind"]], None, obj)

    def drop(self, obj: Any) -> None:
        self.objects.changed(RESOURCES[obj["kind"]], obj, None)

    def verdict(self, each: Any) -> Any:
        """Return what the volume plugins say: why the pod can run nowhere, or reasons by node."""
        _, rejected = find_feasible(self.cycle(each), VOLUMES)
        if rejected and rejected[0][1].of_pod:
            return rejected[0][1].reason
        found: dict[str, set[str]] = {name: set() for name in self.snapshot.index}
        for _, reject, nodes in rejected:
            for name in self.names(nodes):
                found[name].add(reject.reason)
        return found
