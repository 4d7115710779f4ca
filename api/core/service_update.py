"""What an update of a Service may not change.

Source: pkg/apis/core/validation ValidateServiceUpdate (1.36).
"""

from api import field
from api.core.service_addresses import addresses_update_errors
from api.core.service_spec import needs_health_check
from api.field import FieldError, Path
from api.meta import IMMUTABLE
from api.resource import Obj


def update_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check addresses, the load balancer class and the port for health checks, which stay."""
    errors = addresses_update_errors(new, old, path)
    wanted = new.get("loadBalancerClass")
    balanced = old.get("type") == new.get("type") == "LoadBalancer"
    if balanced and wanted != old.get("loadBalancerClass"):
        errors.append(field.invalid(path.child("loadBalancerClass"), wanted, "may not change once set"))
    if needs_health_check(new) and needs_health_check(old):
        name = "healthCheckNodePort"
        if new.get(name, 0) != old.get(name, 0):
            errors.append(field.forbidden(path.child(name), IMMUTABLE))
    return errors
