"""`persistentVolumeClaim` and `ephemeral` volumes, by what backs the PersistentVolume; and `nfs`. PURE.

The driver resolves the claim first; a `hostPath` or `local` volume is a path of this node.
"""

from api.resource import Obj
from nodeagent.volumes.plugin import Host, Layout, Remote, View, VolumeError

# What `PersistentVolume.spec` may hold besides its backing.
_NOT_BACKINGS = frozenset(
    {
        "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "storageClassName",
        "persistentVolumeReclaimPolicy", "volumeAttributesClassName", "volumeMode",
    }
)  # fmt: skip


def claim_name(volume: Obj, pod_name: str) -> str:
    """Return the name of the claim behind a volume of the pod, "" if it has none."""
    if source := volume.get("persistentVolumeClaim"):
        return str(source["claimName"])
    return f"{pod_name}-{volume['name']}" if "ephemeral" in volume else ""


def layout(volume: Obj, view: View) -> Layout:
    persistent = view.volumes[volume["name"]]
    spec = persistent["spec"]
    if spec.get("volumeMode") == "Block":
        raise VolumeError("block volumes are not supported by this node", retryable=False)
    if source := spec.get("hostPath"):
        return Host(source["path"], source.get("type") or "")
    if source := spec.get("local"):
        return Host(source["path"], "Directory")
    if source := spec.get("nfs"):
        return _nfs(source, tuple(spec.get("mountOptions") or ()))
    kinds = ", ".join(sorted(set(spec) - _NOT_BACKINGS))
    name = persistent["metadata"]["name"]
    raise VolumeError(f'no volume plugin matched: PersistentVolume "{name}" ({kinds})', retryable=False)


def nfs_layout(volume: Obj, view: View) -> Remote:
    del view
    return _nfs(volume["nfs"], ())


def _nfs(source: Obj, options: tuple[str, ...]) -> Remote:
    readonly = ("ro",) if source.get("readOnly") else ()
    return Remote("nfs", f"{source['server']}:{source['path']}", (*options, *readonly))
