"""Validation of volumes that are made of other objects: files of secrets, config maps, of the pod itself.

Source: pkg/apis/core/validation validateProjectionSources, validateDownwardAPIVolumeFile (1.36).
"""

from collections.abc import Iterable, Mapping

from api import field, names
from api.core.pod_env import resource_field_errors, volume_field_errors
from api.core.pod_mounts import local_path_errors
from api.core.volume_sources import Check
from api.field import FieldError, Path
from api.meta import validate_label_selector
from api.resource import Obj

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_TOKEN_SECONDS = (600, 1 << 32)
_KEY_TYPES = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")
# An hour, a day (the longest that Kubernetes' own signers give), and 91 days.
_CERTIFICATE_SECONDS = (3600, 86400, 91 * 86400)
_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def mode_errors(source: Obj, name: str, path: Path) -> list[FieldError]:
    """Check permission bits, if they are there."""
    mode = source.get(name)
    return [] if mode is None or 0 <= mode <= 0o777 else [field.invalid(path.child(name), mode, _MODE)]


def _file_errors(target: str, path: Path) -> list[FieldError]:
    return local_path_errors(target, path) if target else [field.required(path)]


def items_errors(source: Obj, path: Path) -> list[FieldError]:
    """Check which keys become which files."""
    errors: list[FieldError] = []
    for number, item in enumerate(source.get("items") or ()):
        at = path.child("items").index(number)
        if not item.get("key"):
            errors.append(field.required(at.child("key")))
        errors += _file_errors(item.get("path", ""), at.child("path")) + mode_errors(item, "mode", at)
    return errors


def downward_errors(source: Obj, path: Path) -> list[FieldError]:
    """Check a volume of fields of the pod."""
    return mode_errors(source, "defaultMode", path) + _downward(source, path)


def _downward(source: Obj, path: Path) -> list[FieldError]:
    # Upstream names the volume, not the item; so do we.
    return [error for item in source.get("items") or () for error in _downward_item(item, path)]


def _downward_item(item: Obj, path: Path) -> list[FieldError]:
    errors = _file_errors(item.get("path", ""), path.child("path"))
    field_ref, resource_ref = item.get("fieldRef"), item.get("resourceFieldRef")
    if field_ref is not None:
        errors += volume_field_errors(field_ref, path.child("fieldRef"))
        if resource_ref is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(field.invalid(path, "resource", text))
    elif resource_ref is not None:
        errors += resource_field_errors(resource_ref, path.child("resourceFieldRef"), needs_container=True)
    else:
        errors.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + mode_errors(item, "mode", path)


def projected_errors(source: Obj, path: Path) -> list[FieldError]:
    """Check a volume of several sources, whose files may not collide."""
    errors = mode_errors(source, "defaultMode", path)
    taken: set[str] = set()
    for number, part in enumerate(source.get("sources") or ()):
        at = path.child("sources").index(number)
        for name, body in part.items():
            # Upstream names the path of a token on the volume, not on its source.
            errors += (
                _token(body, at.child(name), path)
                if name == "serviceAccountToken"
                else (_PROJECTIONS[name](body, at.child(name)))
            )
            errors += _conflicts(body, name, taken, path)
        if len(part) > 1:
            errors.append(field.forbidden(at, "may not specify more than 1 volume type per source"))
    return errors


def _conflicts(body: Obj, name: str, taken: set[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for target in _targets(body, name):
        if target in taken:
            shown = body.get("name", "") if name in ("secret", "configMap") else target
            errors.append(field.invalid(path, shown, "conflicting duplicate paths"))
        taken.add(target)
    return errors


def _targets(body: Obj, name: str) -> Iterable[str]:
    """Return the files that a source makes, as far as upstream compares them."""
    if name == "clusterTrustBundle":
        return (body.get("path", ""),)
    if name == "podCertificate":
        return [body[part] for part in _CERTIFICATE_PATHS if body.get(part)]
    return [item["path"] for item in body.get("items") or () if item.get("path")]


def _named(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("name") else [field.required(path.child("name"))]
    return errors + items_errors(source, path)


def _token(source: Obj, path: Path, volume: Path) -> list[FieldError]:
    seconds, at = source.get("expirationSeconds", 3600), path.child("expirationSeconds")
    errors: list[FieldError] = []
    if seconds < _TOKEN_SECONDS[0]:
        errors.append(field.invalid(at, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _TOKEN_SECONDS[1]:
        errors.append(field.invalid(at, seconds, "may not specify a duration larger than 2^32 seconds"))
    return errors + _file_errors(source.get("path", ""), volume.child("path"))


def _bundle(source: Obj, path: Path) -> list[FieldError]:
    name, signer, selector = source.get("name"), source.get("signerName"), source.get("labelSelector")
    errors: list[FieldError] = []
    if name is not None and signer is not None:
        errors.append(field.invalid(path, source, "only one of name and signerName may be used"))
    elif name is not None:
        errors += _bundle_name_errors(name, path.child("name"))
        if selector is not None:
            text = "labelSelector must be unset if name is specified"
            errors.append(field.invalid(path.child("labelSelector"), selector, text))
    elif signer is not None:
        errors += signer_errors(signer, path.child("signerName"), "must be a valid signer name")
        errors += validate_label_selector(selector, path.child("labelSelector"))
    else:
        errors.append(field.required(path, "either name or signerName must be specified"))
    return errors + _file_errors(source.get("path", ""), path.child("path"))


def _bundle_name_errors(name: str, path: Path) -> list[FieldError]:
    if not name:
        return [field.required(path, "must be a valid object name")]
    plain = name.rpartition(":")[2]
    return [
        field.invalid(path, name, f"not a valid clustertrustbundlename: {text}")
        for text in names.is_dns1123_subdomain(plain)
    ]


def signer_errors(name: str, path: Path, empty: str = "") -> list[FieldError]:
    """Check the name of a signer of certificates: a domain of at least two parts, a slash and a path."""
    if not name:
        return [field.required(path, empty)]
    domain, slash, tail = name.partition("/")
    if not slash or "/" in tail:
        text = 'must be a fully qualified domain and path of the form "example.com/signer-name"'
        return [field.invalid(path, name, text)]
    errors: list[FieldError] = []
    if domain.count(".") < 1:
        errors.append(
            field.invalid(path, domain, "should be a domain with at least two segments separated by dots")
        )
    for part in (domain, tail):
        errors += [field.invalid(path, part, text) for text in names.is_dns1123_subdomain(part)]
    return errors


def _certificate(source: Obj, path: Path) -> list[FieldError]:
    signer, kind = source.get("signerName", ""), source.get("keyType", "")
    errors = signer_errors(signer, path.child("signerName"))
    if kind not in _KEY_TYPES:
        errors.append(field.not_supported(path.child("keyType"), kind, _KEY_TYPES))
    seconds = source.get("maxExpirationSeconds")
    if seconds is not None:
        errors += _lifetime_errors(seconds, signer, path.child("maxExpirationSeconds"))
    if not any(source.get(name) for name in _CERTIFICATE_PATHS):
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(field.required(path, text))
    for name in _CERTIFICATE_PATHS:
        if source.get(name):
            errors += local_path_errors(source[name], path.child(name))
    return errors


def _lifetime_errors(seconds: int, signer: str, path: Path) -> list[FieldError]:
    least, own, most = _CERTIFICATE_SECONDS
    limit = own if signer.startswith("kubernetes.io/") else most
    if seconds < least:
        return [field.invalid(path, seconds, f"if provided, maxExpirationSeconds must be >= {least}")]
    if seconds > limit:
        return [field.invalid(path, seconds, f"if provided, maxExpirationSeconds must be <= {limit}")]
    return []


_PROJECTIONS: Mapping[str, Check] = {
    "secret": _named,
    "configMap": _named,
    "downwardAPI": _downward,
    "clusterTrustBundle": _bundle,
    "podCertificate": _certificate,
}
