"""Workloads: the templates that PodGroups are made from. Nothing of their spec may change.

Spec: pkg/apis/scheduling/validation ValidateWorkload (1.36).
"""

from collections.abc import Callable

from api import field, names
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj
from api.scheduling.policy import policy_errors

MAX_TEMPLATES = 8
_SPEC = Path("spec")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=True)
    if (controller := spec.get("controllerRef")) is not None:
        errors += _controller_errors(controller, _SPEC.child("controllerRef"))
    return errors + _templates_errors(spec.get("podGroupTemplates") or [], _SPEC.child("podGroupTemplates"))


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old)
    for name in ("controllerRef", "podGroupTemplates"):
        errors += immutable(now, before, name, _SPEC)
    return errors


def _controller_errors(reference: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if group := reference.get("apiGroup"):
        errors += [
            field.invalid(path.child("apiGroup"), group, text) for text in names.is_dns1123_subdomain(group)
        ]
    for name in ("kind", "name"):
        errors += _name_errors(reference.get(name) or "", names.is_path_segment, path.child(name))
    return errors


def _templates_errors(templates: list[Obj], path: Path) -> list[FieldError]:
    if not templates:
        return [field.required(path)]
    if len(templates) > MAX_TEMPLATES:
        return [field.too_many(path, len(templates), MAX_TEMPLATES)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, template in enumerate(templates):
        at, name = path.index(number), template.get("name") or ""
        if name in seen:
            errors.append(field.duplicate(at, template))
        seen.add(name)
        errors += _name_errors(name, names.is_dns1123_label, at.child("name"))
        errors += policy_errors(template.get("schedulingPolicy") or {}, at.child("schedulingPolicy"))
    return errors


def _name_errors(name: str, rule: Callable[[str], list[str]], path: Path) -> list[FieldError]:
    return [field.invalid(path, name, text) for text in rule(name)] if name else [field.required(path)]
