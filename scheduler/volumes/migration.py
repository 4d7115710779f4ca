"""Built-in volume plugins whose work CSI drivers have taken over. A node says in its CSINode, by an
annotation, which plugins it has handed over; there a volume counts, and lies where, as its driver's would.

Source: k8s.io/csi-translation-lib, pkg/scheduler/framework/plugins/nodevolumelimits/utils.go (1.36). Azure
files and vSphere disks are translated elsewhere, but never treated as migrated by the scheduler.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.types.storage_v1 import CSINODES
from scheduler.indexes import Index
from scheduler.volumes.uses import AZURE, CINDER, EBS, GCE, PORTWORX

ANNOTATION = "storage.alpha.kubernetes.io/migrated-plugins"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
BETA_ZONE, BETA_REGION = "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"
# Between the zones of a volume that is in several.
BETWEEN_ZONES = "__"


@dataclass(frozen=True)
class Plugin:
    """`source` is its key in volumes, `disk` the field that names the disk, `zone` the driver's label."""

    name: str
    source: str
    disk: str
    driver: str
    zone: str = ""


PLUGINS = (
    Plugin("kubernetes.io/aws-ebs", EBS, "volumeID", "ebs.csi.aws.com", "topology.ebs.csi.aws.com/zone"),
    Plugin("kubernetes.io/gce-pd", GCE, "pdName", "pd.csi.storage.gke.io", "topology.gke.io/zone"),
    Plugin(
        "kubernetes.io/azure-disk", AZURE, "diskURI", "disk.csi.azure.com", "topology.disk.csi.azure.com/zone"
    ),
    Plugin(
        "kubernetes.io/cinder",
        CINDER,
        "volumeID",
        "cinder.csi.openstack.org",
        "topology.cinder.csi.openstack.org/zone",
    ),
    Plugin("kubernetes.io/portworx-volume", PORTWORX, "volumeID", "pxd.portworx.com"),
)
BY_SOURCE: Mapping[str, Plugin] = {plugin.source: plugin for plugin in PLUGINS}
BY_NAME: Mapping[str, Plugin] = {plugin.name: plugin for plugin in PLUGINS}


def migrated_plugins(csinode: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the plugins that a node has handed over."""
    if csinode is None:
        return frozenset()
    text = (csinode["metadata"].get("annotations") or {}).get(ANNOTATION) or ""
    return frozenset(name for name in text.split(",") if name in BY_NAME)


# CSINodes by the plugins that the node has handed over.
HANDED_OVER: Index[str] = Index(CSINODES, migrated_plugins, lambda csinode: csinode["metadata"]["name"])


def plugin_of(spec: Mapping[str, Any]) -> Plugin | None:
    """Return the plugin of a PersistentVolume's spec, None if it has no driver that could take over."""
    return next((plugin for plugin in PLUGINS if plugin.source in spec), None)


def disk_handle(plugin: Plugin, disk: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the driver's name for a disk; `labels` are those of its PersistentVolume, if it has one."""
    if plugin.source == EBS:
        # aws://zone/vol-1, or the bare name.
        return disk.removeprefix("aws://").strip("/").rpartition("/")[2] if disk[:6] == "aws://" else disk
    if plugin.source == GCE:
        return f"projects/UNSPECIFIED/{_gce_place(labels or {})}/disks/{disk}"
    return disk


def _gce_place(labels: Mapping[str, str]) -> str:
    zones = (labels.get(BETA_ZONE) or labels.get(ZONE) or "UNSPECIFIED").split(BETWEEN_ZONES)
    if len(zones) == 1:
        return f"zones/{zones[0]}"
    return f"regions/{zones[0].rpartition('-')[0]}"


def driver_topology(volume: Mapping[str, Any], plugin: Plugin) -> Mapping[str, Any] | None:
    """Return the node selector of a volume in the driver's words: its own zone label instead of the general
    one. A volume whose selector says nothing of zones, but whose labels do, is held to these.
    """
    required: Mapping[str, Any] | None = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if not plugin.zone:
        return required
    terms: list[Any] = [dict(term) for term in (required or {}).get("nodeSelectorTerms") or ()]
    labels = volume["metadata"].get("labels") or {}
    zone, region = _general_labels(terms, labels)
    if any(each["key"] == zone for term in terms for each in term.get("matchExpressions") or ()):
        terms = [_renamed(term, zone, plugin.zone) for term in terms]
    elif label := labels.get(zone):
        zones = sorted({name for part in label.split(BETWEEN_ZONES) if (name := part.strip())})
        only = {"key": plugin.zone, "operator": "In", "values": zones}
        terms = [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), only]}
            for term in terms or [{}]
        ]
    elif required is None:
        return None
    if region == BETA_REGION:
        terms = [_renamed(term, BETA_REGION, REGION) for term in terms]
    return {"nodeSelectorTerms": terms}


def _general_labels(terms: Iterable[Any], labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the zone and region labels that a volume is described by: today's, or those of long ago."""
    keys = {each["key"] for term in terms for each in term.get("matchExpressions") or ()}
    has: Callable[[str], bool]
    for has in (keys.__contains__, labels.__contains__):
        for zone, region in ((ZONE, REGION), (BETA_ZONE, BETA_REGION)):
            if has(zone):
                return zone, region
    return ZONE, REGION


def _renamed(term: Mapping[str, Any], old: str, new: str) -> Mapping[str, Any]:
    expressions = [
        {**each, "key": new if each["key"] == old else each["key"]}
        for each in term.get("matchExpressions") or ()
    ]
    return {**term, "matchExpressions": expressions}
