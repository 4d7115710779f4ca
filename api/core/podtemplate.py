"""PodTemplates. Spec: pkg/apis/core/validation ValidatePodTemplate (1.36)."""

from api.core.pod_defaults import default_template
from api.core.pod_template import validate_template
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

defaults = defaulting(nested={"template": struct(default_template)})


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + validate_template(
        obj.get("template") or {}, Path("template")
    )


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate_template(new.get("template") or {}, Path("template"))
