"""volumeattributesclass-protection-controller: a class that is being deleted stays while volumes have it.

Claims use the class that they want, the one that their volume has, and the one that it is being given.
As upstream's it trusts its caches: a claim made at the moment of the deletion may find the class gone.

Source: pkg/controller/volume/vacprotection (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.resource import Key
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from api.types.storage_v1 import VOLUMEATTRIBUTESCLASSES, VolumeAttributesClass
from controllers.framework.controller import View, Watch, controller
from controllers.framework.plan import Plan
from controllers.protection import Protection

_PROTECTION = Protection(VOLUMEATTRIBUTESCLASSES, "kubernetes.io/vac-protection")
_INDEX = "volumeattributesclass"


def _classes(obj: Mapping[str, Any]) -> set[str]:
    """Return the names of the classes that a volume or a claim uses."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names = {
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    }
    return {name for name in names if name}


def _leaving(obj: Mapping[str, Any], view: View) -> Iterable[Key]:
    for name in _classes(obj):
        found = view.get(VOLUMEATTRIBUTESCLASSES, "", name)
        if found is not None and _PROTECTION.is_leaving(found):
            yield Key("", name)


@controller(
    "volumeattributesclass-protection-controller",
    of=VOLUMEATTRIBUTESCLASSES,
    watches={
        PERSISTENTVOLUMECLAIMS: Watch(_leaving, _classes),
        PERSISTENTVOLUMES: Watch(_leaving, _classes),
    },
    indexes={PERSISTENTVOLUMECLAIMS: {_INDEX: _classes}, PERSISTENTVOLUMES: {_INDEX: _classes}},
    relevant=_PROTECTION.due,
)
def volumeattributesclass_protection(found: VolumeAttributesClass, view: View, now: datetime) -> Plan:
    name = found["metadata"]["name"]
    users = [*view.by(PERSISTENTVOLUMES, _INDEX, name), *view.by(PERSISTENTVOLUMECLAIMS, _INDEX, name)]
    return _PROTECTION.plan(found, bool(users))
