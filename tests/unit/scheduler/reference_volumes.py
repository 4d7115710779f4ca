"""The rules of the volume plugins node by node and pod by pod, slowly, to compare the columns with.

Objects are plain dicts with a `kind`. `VolumeReference(nodes, pods, objects).verdict(pod)` says either why
the pod can run nowhere, or per node what the first plugin that refuses it says (nothing: it will do).
Source: pkg/scheduler/framework/plugins/{volumerestrictions,nodevolumelimits,volumebinding,volumezone} (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.labels import from_label_selector
from api.quantity import parse_quantity

Obj = Mapping[str, Any]

UNREACHABLE = "node(s) didn't match PersistentVolume's node affinity"
UNMATCHED = "node(s) didn't find available persistent volumes to bind"
CROWDED = "node(s) did not have enough free storage"
LOST = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
NO_DISK = "node(s) had no available disk"
TAKEN = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
TOO_MANY = "node(s) exceed max volume count"
NO_ZONE = "node(s) had no available volume zone"

ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
REGIONS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
# source: (plugin, driver, field of the disk, the driver's zone label)
MIGRATED = {
    "awsElasticBlockStore": (
        "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "volumeID", "topology.ebs.csi.aws.com/zone"
    ),
    "azureDisk": (
        "kubernetes.io/azure-disk", "disk.csi.azure.com", "diskURI", "topology.disk.csi.azure.com/zone"
    ),
}  # fmt: skip


class VolumeReference:
    def __init__(self, nodes: Sequence[Obj], pods: Sequence[Obj], objects: Iterable[Obj]) -> None:
        self.nodes = list(nodes)
        self.pods = {name(n): [p for p in pods if p["spec"]["nodeName"] == name(n)] for n in nodes}
        self.objects: dict[tuple[str, str, str], Obj] = {
            (obj["kind"], obj["metadata"].get("namespace", ""), name(obj)): obj for obj in objects
        }

    def get(self, kind: str, called: str, namespace: str = "") -> Any:
        return self.objects.get((kind, namespace, called))

    def all(self, kind: str) -> list[Any]:
        return [self.objects[key] for key in sorted(self.objects) if key[0] == kind]

    def verdict(self, pod: Obj) -> str | dict[str, tuple[str, ...]]:
        fault = self.fault(pod)
        if fault is not None:
            return fault
        return {name(node): self.refusals(pod, node) for node in self.nodes}

    def feasible(self, pod: Obj) -> set[str]:
        found = self.verdict(pod)
        return set() if isinstance(found, str) else {node for node, reasons in found.items() if not reasons}

    def refusals(self, pod: Obj, node: Obj) -> tuple[str, ...]:
        for check in (self.restricted, self.over_limit, self.unbindable, self.out_of_zone):
            reasons = check(pod, node)
            if reasons:
                return reasons
        return ()

    # -- what is wrong with the pod wherever it goes

    def fault(self, pod: Obj) -> str | None:
        for check in (self.missing, self.unusable, self.not_ready, self.without_zone):
            fault = check(pod)
            if fault is not None:
                return fault
        return None

    def missing(self, pod: Obj) -> str | None:
        for called, ephemeral in claim_names(pod):
            if not ephemeral and self.claim(pod, called) is None:
                return f'persistentvolumeclaim "{called}" not found'
        return None

    def unusable(self, pod: Obj) -> str | None:
        for called, ephemeral in claim_names(pod):
            claim = self.claim(pod, called)
            if claim is None:
                return (
                    f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{called}"'
                )
            if claim["status"]["phase"] == "Lost":
                volume = claim["spec"].get("volumeName", "")
                return f'persistentvolumeclaim "{called}" bound to non-existent persistentvolume "{volume}"'
            if "deletionTimestamp" in claim["metadata"]:
                return f'persistentvolumeclaim "{called}" is being deleted'
            if ephemeral and not owned(claim, pod):
                where = f"{space(pod)}/{called}"
                owner = f"{space(pod)}/{name(pod)}"
                return f"PVC {where} was not created for pod {owner} (pod is not owner)"
        return None

    def not_ready(self, pod: Obj) -> str | None:
        for claim in self.claims(pod):
            if not bound(claim) and (claim["spec"].get("volumeName") or not self.delayed(claim)):
                return "pod has unbound immediate PersistentVolumeClaims"
        return None

    def without_zone(self, pod: Obj) -> str | None:
        for called, ephemeral in claim_names(pod):
            volume = self.claim(pod, called)["spec"].get("volumeName")
            if not ephemeral and volume and self.get("PersistentVolume", volume) is None:
                return f'persistentvolume "{volume}" not found'
        return None

    def claim(self, pod: Obj, called: str) -> Any:
        return self.get("PersistentVolumeClaim", called, space(pod))

    def claims(self, pod: Obj) -> list[Any]:
        """Return the pod's claims, each once."""
        return [self.claim(pod, called) for called in dict(claim_names(pod))]

    def delayed(self, claim: Obj) -> bool:
        found = self.get("StorageClass", class_of(claim))
        return found is not None and found["volumeBindingMode"] == "WaitForFirstConsumer"

    # -- VolumeRestrictions

    def restricted(self, pod: Obj, node: Obj) -> tuple[str, ...]:
        for mine in pod["spec"].get("volumes", ()):
            for other in self.pods[name(node)]:
                if any(clash(mine, theirs) for theirs in other["spec"].get("volumes", ())):
                    return (NO_DISK,)
        for called, ephemeral in claim_names(pod):
            if not ephemeral and "ReadWriteOncePod" in self.claim(pod, called)["spec"]["accessModes"]:
                for other in (p for pods in self.pods.values() for p in pods):
                    if space(other) == space(pod) and called in dict(claim_names(other)):
                        return (TAKEN,)
        return ()

    # -- NodeVolumeLimits

    def over_limit(self, pod: Obj, node: Obj) -> tuple[str, ...]:
        csinode = self.get("CSINode", name(node))
        if csinode is None:
            return ()
        there = {disk for other in self.pods[name(node)] for disk in self.disks(other, csinode)}
        new = self.disks(pod, csinode) - there
        attached = self.attached(node) - there
        for driver in csinode["spec"]["drivers"]:
            coming = [disk for disk in new if disk[0] == driver["name"]]
            before = [disk for disk in (*there, *attached) if disk[0] == driver["name"]]
            limit = driver.get("allocatable", {}).get("count")
            if coming and limit is not None and len(coming) + len(before) > limit:
                return (TOO_MANY,)
        return ()

    def attached(self, node: Obj) -> set[tuple[str, str]]:
        found = set()
        for attachment in self.all("VolumeAttachment"):
            spec = attachment["spec"]
            volume = self.get("PersistentVolume", spec["source"].get("persistentVolumeName", ""))
            if spec["nodeName"] == name(node) and volume is not None and "csi" in volume["spec"]:
                found.add((spec["attacher"], volume["spec"]["csi"]["volumeHandle"]))
        return found

    def disks(self, pod: Obj, csinode: Obj) -> set[tuple[str, str]]:
        """Return the (driver, handle) of what the pod attaches to a node."""
        found = {self.disk_of(claim, csinode) for claim in self.claims(pod) if claim is not None}
        found |= {own_disk(volume, csinode) for volume in pod["spec"].get("volumes", ())}
        return {disk for disk in found if disk is not None}

    def disk_of(self, claim: Obj, csinode: Obj) -> tuple[str, str] | None:
        volume = self.get("PersistentVolume", claim["spec"].get("volumeName", ""))
        if volume is not None:
            if "csi" in volume["spec"]:
                return volume["spec"]["csi"]["driver"], volume["spec"]["csi"]["volumeHandle"]
            return own_disk(volume["spec"], csinode)
        found = self.get("StorageClass", class_of(claim))
        if found is None:
            return None
        for plugin, driver, _, _ in MIGRATED.values():
            if found["provisioner"] == plugin:
                return (
                    (driver, f"claim {space(claim)}/{name(claim)}")
                    if plugin in handed_over(csinode)
                    else None
                )
        return found["provisioner"], f"claim {space(claim)}/{name(claim)}"

    # -- VolumeBinding

    def unbindable(self, pod: Obj, node: Obj) -> tuple[str, ...]:
        claims = self.claims(pod)
        reasons = [self.bound_fault(claim, node) for claim in claims if bound(claim)]
        first = next((reason for reason in reasons if reason), None)
        other = self.unbound_fault([claim for claim in claims if not bound(claim)], node)
        return tuple(reason for reason in (first, other) if reason)

    def bound_fault(self, claim: Obj, node: Obj) -> str | None:
        volume = self.get("PersistentVolume", claim["spec"]["volumeName"])
        if volume is None:
            return LOST
        return None if self.reaches(volume, node) else UNREACHABLE

    def unbound_fault(self, claims: Sequence[Obj], node: Obj) -> str | None:
        chosen = [(claim, selected_node(claim)) for claim in claims]
        if any(where not in (None, name(node)) for _, where in chosen):
            return UNMATCHED
        to_make = [claim for claim, where in chosen if where is not None]
        taken: set[str] = set()
        for claim in sorted((c for c, where in chosen if where is None), key=size_of):
            volume = self.best(claim, node, taken)
            if volume is None:
                to_make.append(claim)
            else:
                taken.add(name(volume))
        return next((reason for claim in to_make if (reason := self.making_fault(claim, node))), None)

    def best(self, claim: Obj, node: Obj, taken: set[str]) -> Any:
        """Return the smallest volume for a claim, or the one that is kept for it."""
        fitting = [
            volume
            for volume in self.all("PersistentVolume")
            if class_of(volume) == class_of(claim)
            and "deletionTimestamp" not in volume["metadata"]
            and capacity_of(volume) >= size_of(claim)
            and volume["spec"].get("volumeMode", "Filesystem")
            == claim["spec"].get("volumeMode", "Filesystem")
            and volume["spec"].get("volumeAttributesClassName", "")
            == claim["spec"].get("volumeAttributesClassName", "")
        ]
        fitting.sort(key=lambda volume: (capacity_of(volume), name(volume)))
        for volume in fitting:
            if name(volume) not in taken and kept_for(volume, claim):
                return volume if self.fits_node(volume, node) else None
        for volume in fitting:
            if (
                name(volume) not in taken
                and "claimRef" not in volume["spec"]
                and volume["status"]["phase"] == "Available"
                and set(claim["spec"]["accessModes"]) <= set(volume["spec"]["accessModes"])
                and label_matches(claim["spec"].get("selector", {}), volume["metadata"].get("labels", {}))
                and self.fits_node(volume, node)
            ):
                return volume
        return None

    def fits_node(self, volume: Obj, node: Obj) -> bool:
        """Say whether a volume that is not in use yet is within reach: as it says, whoever drives it."""
        return node_matches(volume["spec"].get("nodeAffinity"), node)

    def reaches(self, volume: Obj, node: Obj) -> bool:
        csinode = self.get("CSINode", name(node))
        for source, (plugin, _, _, zone) in MIGRATED.items():
            if source in volume["spec"] and plugin in handed_over(csinode):
                return node_matches(drivers_affinity(volume, zone), node)
        return node_matches(volume["spec"].get("nodeAffinity"), node)

    def making_fault(self, claim: Obj, node: Obj) -> str | None:
        found = self.get("StorageClass", class_of(claim))
        if found is None or found["provisioner"] in ("", "kubernetes.io/no-provisioner"):
            return UNMATCHED
        terms = found.get("allowedTopologies", [])
        if terms and not any(topology_allows(term, node) for term in terms):
            return UNMATCHED
        driver = self.get("CSIDriver", found["provisioner"])
        if driver is None or not driver["spec"].get("storageCapacity"):
            return None
        rooms = [
            capacity.get("maximumVolumeSize", capacity.get("capacity"))
            for capacity in self.all("CSIStorageCapacity")
            if capacity["storageClassName"] == name(found)
            and "nodeTopology" in capacity
            and label_matches(capacity["nodeTopology"], labels(node))
        ]
        enough = any(room is not None and parse_quantity(room).nano >= size_of(claim) for room in rooms)
        return None if enough else CROWDED

    # -- VolumeZone

    def out_of_zone(self, pod: Obj, node: Obj) -> tuple[str, ...]:
        if not any(key in labels(node) for key in (*ZONES, *REGIONS)):
            return ()
        for called, ephemeral in claim_names(pod):
            volume = self.get("PersistentVolume", self.claim(pod, called)["spec"].get("volumeName", ""))
            if ephemeral or volume is None:
                continue
            for today, beta in (ZONES, REGIONS):
                for key in (today, beta):
                    wanted = volume["metadata"].get("labels", {}).get(key)
                    actual = labels(node).get(key, labels(node).get(today))
                    if wanted is not None and actual not in wanted.split("__"):
                        return (NO_ZONE,)
        return ()


def name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def space(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def labels(node: Obj) -> Mapping[str, str]:
    found: Mapping[str, str] = node["metadata"]["labels"]
    return found


def claim_names(pod: Obj) -> list[tuple[str, bool]]:
    """Return the names of the claims of a pod, and whether they are made for it."""
    found = []
    for volume in pod["spec"].get("volumes", ()):
        if "persistentVolumeClaim" in volume:
            found.append((volume["persistentVolumeClaim"]["claimName"], False))
        elif "ephemeral" in volume:
            found.append((f"{name(pod)}-{volume['name']}", True))
    return found


def owned(claim: Obj, pod: Obj) -> bool:
    owners = claim["metadata"].get("ownerReferences", ())
    return any(owner.get("controller") and owner["uid"] == pod["metadata"]["uid"] for owner in owners)


def bound(claim: Obj) -> bool:
    completed = "pv.kubernetes.io/bind-completed" in claim["metadata"].get("annotations", {})
    return completed and bool(claim["spec"].get("volumeName"))


def selected_node(claim: Obj) -> str | None:
    found: str | None = claim["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node")
    return found


def class_of(obj: Obj) -> str:
    return str(obj["spec"].get("storageClassName", ""))


def size_of(claim: Obj) -> int:
    return parse_quantity(claim["spec"]["resources"]["requests"]["storage"]).nano


def capacity_of(volume: Obj) -> int:
    return parse_quantity(volume["spec"]["capacity"]["storage"]).nano


def kept_for(volume: Obj, claim: Obj) -> bool:
    reference = volume["spec"].get("claimRef")
    if reference is None or (reference["namespace"], reference["name"]) != (space(claim), name(claim)):
        return False
    return reference.get("uid") in (None, claim["metadata"]["uid"])


def label_matches(selector: Obj, found: Mapping[str, str]) -> bool:
    return from_label_selector(selector).matches(found)


def expression_matches(expression: Obj, found: Mapping[str, str]) -> bool:
    value, values = found.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not value.isdecimal():
        return False
    return int(value) > int(values[0]) if expression["operator"] == "Gt" else int(value) < int(values[0])


def node_matches(affinity: Obj | None, node: Obj) -> bool:
    if affinity is None or "required" not in affinity:
        return True
    return any(
        all(expression_matches(each, labels(node)) for each in term["matchExpressions"])
        for term in affinity["required"]["nodeSelectorTerms"]
        if term.get("matchExpressions")
    )


def topology_allows(term: Obj, node: Obj) -> bool:
    expressions = term.get("matchLabelExpressions", [])
    return bool(expressions) and all(labels(node).get(e["key"]) in e["values"] for e in expressions)


def handed_over(csinode: Obj | None) -> list[str]:
    annotations = csinode["metadata"].get("annotations", {}) if csinode is not None else {}
    return str(annotations.get("storage.alpha.kubernetes.io/migrated-plugins", "")).split(",")


def own_disk(volume: Obj, csinode: Obj) -> tuple[str, str] | None:
    """Return what a built-in volume is to the driver that has taken over, None if none has."""
    for source, (plugin, driver, field, _) in MIGRATED.items():
        if source in volume and plugin in handed_over(csinode):
            return driver, volume[source][field]
    return None


def drivers_affinity(volume: Obj, zone: str) -> Obj | None:
    """Return where a built-in volume is in its driver's words; general zone labels are of today here."""
    plain: Obj | None = volume["spec"].get("nodeAffinity")
    terms = volume["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
    if any(each["key"] == ZONES[0] for term in terms for each in term["matchExpressions"]):
        renamed = [
            {
                "matchExpressions": [
                    {**each, "key": zone if each["key"] == ZONES[0] else each["key"]}
                    for each in term["matchExpressions"]
                ]
            }
            for term in terms
        ]
        return {"required": {"nodeSelectorTerms": renamed}}
    if ZONES[0] not in volume["metadata"].get("labels", {}):
        return plain
    values = volume["metadata"]["labels"][ZONES[0]].split("__")
    own = {"key": zone, "operator": "In", "values": values}
    terms = [
        {"matchExpressions": [*term["matchExpressions"], own]} for term in terms or [{"matchExpressions": []}]
    ]
    return {"required": {"nodeSelectorTerms": terms}}


def clash(mine: Obj, theirs: Obj) -> bool:
    """Say whether two volumes keep their pods from being on one node."""
    for source, field in (("gcePersistentDisk", "pdName"), ("iscsi", "iqn")):
        if source in mine and source in theirs and mine[source][field] == theirs[source][field]:
            return not (mine[source].get("readOnly") and theirs[source].get("readOnly"))
    if "awsElasticBlockStore" in mine and "awsElasticBlockStore" in theirs:
        return bool(mine["awsElasticBlockStore"]["volumeID"] == theirs["awsElasticBlockStore"]["volumeID"])
    if "rbd" in mine and "rbd" in theirs:
        one, other = mine["rbd"], theirs["rbd"]
        same = (one["pool"], one["image"]) == (other["pool"], other["image"])
        shared = set(one["monitors"]) & set(other["monitors"])
        return same and bool(shared) and not (one.get("readOnly") and other.get("readOnly"))
    return False
