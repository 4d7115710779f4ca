"""persistentvolume-protection-controller: a volume that is being deleted stays as long as it is bound.

Source: pkg/controller/volume/pvprotection (1.36).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.types.core_v1 import PERSISTENTVOLUMES, PersistentVolume
from controllers.framework.controller import View, controller
from controllers.framework.plan import Plan
from controllers.protection import Protection

_PROTECTION = Protection(PERSISTENTVOLUMES, "kubernetes.io/pv-protection")


def _is_bound(volume: Mapping[str, Any]) -> bool:
    return (volume.get("status") or {}).get("phase") == "Bound"


def _relevant(volume: Mapping[str, Any]) -> Any:
    due = _PROTECTION.due(volume)
    return None if due is None else (due, _is_bound(volume))


@controller("persistentvolume-protection-controller", of=PERSISTENTVOLUMES, relevant=_relevant)
def persistentvolume_protection(volume: PersistentVolume, view: View, now: datetime) -> Plan:
    return _PROTECTION.plan(volume, _is_bound(volume))
