"""RoleBindings and ClusterRoleBindings. Spec: pkg/apis/rbac/v1/defaults.go, validation (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

GROUP = "rbac.authorization.k8s.io"
_KINDS = ("ServiceAccount", "User", "Group")


def _subject_group(subject: Obj) -> Obj:
    needs = subject.get("kind") in ("User", "Group") and not subject.get("apiGroup")
    return {"apiGroup": GROUP} if needs else {}


defaults = defaulting(
    nested={
        "roleRef": defaulting(empty={"apiGroup": GROUP}),
        "subjects": each(defaulting(rule=_subject_group)),
    }
)


def _subject_errors(subject: Obj, namespaced: bool, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    kind, name, group = subject.get("kind", ""), subject.get("name", ""), subject.get("apiGroup", "")
    if not name:
        errors.append(field.required(path.child("name")))
    if kind not in _KINDS:
        return [*errors, field.not_supported(path.child("kind"), kind, _KINDS)]
    wanted = "" if kind == "ServiceAccount" else GROUP
    if group != wanted:
        errors.append(field.not_supported(path.child("apiGroup"), group, (wanted,)))
    if kind == "ServiceAccount":
        errors += [
            field.invalid(path.child("name"), name, text)
            for text in (names.is_dns1123_subdomain(name) if name else ())
        ]
        if not namespaced and not subject.get("namespace"):
            errors.append(field.required(path.child("namespace")))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    namespaced = obj.get("kind") != "ClusterRoleBinding"
    errors = validate_metadata(obj, namespaced, rule=names.is_path_segment)
    role, path = obj.get("roleRef") or {}, Path("roleRef")
    if role.get("apiGroup") != GROUP:
        errors.append(field.not_supported(path.child("apiGroup"), role.get("apiGroup", ""), (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if role.get("kind") not in kinds:
        errors.append(field.not_supported(path.child("kind"), role.get("kind", ""), kinds))
    if not role.get("name"):
        errors.append(field.required(path.child("name")))
    else:
        errors += [
            field.invalid(path.child("name"), role["name"], text)
            for text in names.is_path_segment(role["name"])
        ]
    for number, subject in enumerate(obj.get("subjects") or ()):
        errors += _subject_errors(subject, namespaced, Path("subjects").index(number))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + validate(new)
    if not equal(new.get("roleRef"), old.get("roleRef")):
        errors.append(field.invalid(Path("roleRef"), new.get("roleRef"), "cannot change roleRef"))
    return errors
