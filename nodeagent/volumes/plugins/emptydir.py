"""`emptyDir` volumes. PURE. Source: pkg/volume/emptydir (1.36)."""

from api.quantity import value
from api.resource import Obj
from nodeagent.volumes.plugin import Scratch, View, VolumeError


def layout(volume: Obj, view: View) -> Scratch:
    source = volume.get("emptyDir") or {}
    medium = source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise VolumeError(f'unknown storage medium "{medium}"', retryable=False)
    if medium == "":
        return Scratch(memory=False)
    limits = [value(str(source["sizeLimit"]))] if source.get("sizeLimit") else []
    if memory := _memory_limit(view):
        limits.append(memory)
    return Scratch(memory=True, size_bytes=min((limit for limit in limits if limit), default=0))


def _memory_limit(view: View) -> int:
    """Return the sum of the containers' memory limits, 0 if one has none."""
    texts = [
        ((container.get("resources") or {}).get("limits") or {}).get("memory")
        for container in view.pod["spec"].get("containers") or ()
    ]
    return 0 if None in texts else sum(value(str(text)) for text in texts)
