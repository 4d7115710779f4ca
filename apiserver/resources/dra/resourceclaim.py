"""ResourceClaims under REST: `/status` writes the status alone, and forgets devices that were given back.

Source: pkg/registry/resource/resourceclaim/strategy.go (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy


class ResourceClaimStrategy(Strategy):
    counts_generation = False
    status_metadata = ()

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        result = super().prepare_for_status(new, old)
        status = result.get("status") or {}
        devices = status.get("devices") or []
        gone = _results(old) - _results(result)
        left = [device for device in devices if _id(device) not in gone]
        if len(left) == len(devices):
            return result
        status = {name: value for name, value in status.items() if name != "devices"}
        return {**result, "status": {**status, "devices": left} if left else status}


def _results(claim: Obj) -> set[tuple[str, ...]]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return {_id(result) for result in (allocation.get("devices") or {}).get("results") or ()}


def _id(device: Obj) -> tuple[str, ...]:
    return tuple(device.get(name, "") for name in ("driver", "pool", "device"))
