"""Validation of pod templates, as the workload kinds hold them.

Source: pkg/apis/core/validation ValidatePodTemplateSpec (1.36).
"""

from api import field
from api.core.pod_spec import validate_spec
from api.field import FieldError, Path
from api.meta import validate_annotations, validate_labels
from api.resource import Obj


def validate_template(template: Obj, path: Path) -> list[FieldError]:
    """Check the labels, annotations and spec of a template."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    errors: list[FieldError] = []
    if labels := metadata.get("labels"):
        errors += validate_labels(labels, path.child("labels"))
    if annotations := metadata.get("annotations"):
        errors += validate_annotations(annotations, path.child("annotations"))
    errors += validate_spec(spec, path.child("spec"))
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(field.forbidden(path.child("spec").child("ephemeralContainers"), text))
    return errors
