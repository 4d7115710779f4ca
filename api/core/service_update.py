"""What an update of a Service may not change.

Source: pkg/apis/core/validation ValidateServiceUpdate, ValidateServiceClusterIPsRelatedFields (1.36).
"""

from api import field
from api.field import FieldError, Path
from api.resource import Obj

_FIXED = "may not change once set"


def update_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check the first address and family, which stay, and the load balancer class."""
    errors: list[FieldError] = []
    if new.get("type") != "ExternalName" and old.get("type") != "ExternalName":
        errors += _first_stays(new, old, "clusterIPs", path, "primary clusterIP can not be unset")
        errors += _first_stays(new, old, "ipFamilies", path, "primary ipFamily can not be unset")
    wanted = new.get("loadBalancerClass")
    balanced = old.get("type") == new.get("type") == "LoadBalancer"
    if balanced and wanted != old.get("loadBalancerClass"):
        errors.append(field.invalid(path.child("loadBalancerClass"), wanted, _FIXED))
    return errors


def _first_stays(new: Obj, old: Obj, name: str, path: Path, unset: str) -> list[FieldError]:
    now, before = new.get(name) or [], old.get(name) or []
    if not before or (now and now[0] == before[0]):
        return []
    at = path.child(name).index(0)
    return [field.invalid(at, now, _FIXED if now else unset)]
