"""`/scale` of custom objects: numbers and selector at the paths that their definition names. Pure.

Source: apiextensions-apiserver pkg/registry/customresource etcd.go ScaleREST, scaleFromCustomResource (1.36).
"""

from typing import Any

from api.crd.scale import Scale, nested
from api.errors import InternalError
from api.resource import Obj


def replicas_of(paths: Scale, obj: Obj) -> tuple[int, int, str]:
    """Return the replicas wanted, those there are, and the selector. Raises `InternalError` without the
    first."""
    wanted, fault = nested(obj, paths.spec, int)
    if fault:
        raise InternalError(f"Internal error occurred: {fault}")
    if wanted is None:
        raise InternalError(f'Internal error occurred: the spec replicas field "{paths.spec}" does not exist')
    present, fault = nested(obj, paths.status, int)
    if fault:
        raise InternalError(f"Internal error occurred: {fault}")
    selector = nested(obj, paths.selector, str)[0] if paths.selector else ""
    return wanted, present or 0, selector or ""


def put_replicas(paths: Scale, obj: Obj, replicas: int) -> Obj:
    """Return the object with another number of replicas wanted."""
    made: Obj = _put(obj, paths.spec.removeprefix(".").split("."), replicas)
    return made


def _put(value: Any, steps: list[str], number: int) -> Any:
    if not steps:
        return number
    present = value if isinstance(value, dict) else {}
    return {**present, steps[0]: _put(present.get(steps[0]), steps[1:], number)}
