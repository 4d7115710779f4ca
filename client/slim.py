"""Makes cached objects small: called by informers on each object that comes in, before anybody sees it.

A decoded pod takes some 26 kB. Field ownership records are a third of it and nobody reads them in a cache (a
write without them leaves them alone on the server). Most of the rest is the same in all pods of one owner, so
equal parts are shared.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import orjson

T = TypeVar("T", bound=Mapping[str, Any])

# When the table of shared parts is full it is emptied: sharing starts anew, what is shared stays shared.
_LIMIT = 8192
_METADATA_KEYS = ("apiVersion", "kind", "metadata")
# Parts that are worth sharing; others differ from object to object.
_METADATA_PARTS = ("labels", "annotations", "ownerReferences", "finalizers")
_SPEC_PARTS = (
    "affinity", "containers", "ephemeralContainers", "initContainers", "nodeSelector", "ports",
    "securityContext", "selector", "template", "tolerations", "topologySpreadConstraints", "volumes",
)  # fmt: skip


class Slimmer:
    """`slimmer(obj)` returns the object to keep. The given object must not be used any more."""

    def __init__(self, metadata_only: bool = False) -> None:
        self._metadata_only = metadata_only
        self._shared: dict[bytes, Any] = {}

    def __call__(self, obj: T) -> T:
        kept = cast(dict[str, Any], obj)
        metadata = kept["metadata"]
        metadata.pop("managedFields", None)
        self._share(metadata, _METADATA_PARTS)
        if self._metadata_only:
            return cast(T, {key: kept[key] for key in _METADATA_KEYS if key in kept})
        spec = kept.get("spec")
        if isinstance(spec, dict):
            self._share(spec, _SPEC_PARTS)
        return cast(T, kept)

    def _share(self, owner: dict[str, Any], parts: tuple[str, ...]) -> None:
        for name in parts:
            part = owner.get(name)
            if part:
                if len(self._shared) >= _LIMIT:
                    self._shared.clear()
                owner[name] = self._shared.setdefault(orjson.dumps(part), part)
