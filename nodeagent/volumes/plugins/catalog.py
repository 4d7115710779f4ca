"""Every kind of volume, one line each: the key in the pod's spec, the plugin's folder, the layout. PURE."""

from collections.abc import Callable
from dataclasses import dataclass

from api.resource import Obj
from nodeagent.volumes.plugin import Layout, View, VolumeError
from nodeagent.volumes.plugins import (
    configmap,
    downward_api,
    emptydir,
    hostpath,
    persistent,
    projected,
    secret,
)


@dataclass(frozen=True)
class Plugin:
    # Folder below `volumes/`, with "~" for "/" as upstream has it.
    folder: str
    layout: Callable[[Obj, View], Layout]


PLUGINS: dict[str, Plugin] = {
    "configMap": Plugin("kubernetes.io~configmap", configmap.layout),
    "downwardAPI": Plugin("kubernetes.io~downward-api", downward_api.layout),
    "emptyDir": Plugin("kubernetes.io~empty-dir", emptydir.layout),
    "ephemeral": Plugin("kubernetes.io~persistent", persistent.layout),
    "hostPath": Plugin("kubernetes.io~host-path", hostpath.layout),
    "nfs": Plugin("kubernetes.io~nfs", persistent.nfs_layout),
    "persistentVolumeClaim": Plugin("kubernetes.io~persistent", persistent.layout),
    "projected": Plugin("kubernetes.io~projected", projected.layout),
    "secret": Plugin("kubernetes.io~secret", secret.layout),
}


def plugin_of(volume: Obj) -> Plugin:
    """Return the plugin of a volume of a pod's spec; a volume without a source is an emptyDir."""
    for key, plugin in PLUGINS.items():
        if key in volume:
            return plugin
    kinds = sorted(set(volume) - {"name"})
    if not kinds:
        return PLUGINS["emptyDir"]
    raise VolumeError(f"no volume plugin matched: {', '.join(kinds)}", retryable=False)
