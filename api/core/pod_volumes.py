"""Validation of a pod's volumes.

Source: pkg/apis/core/validation ValidateVolumes, validateVolumeSource (1.36).
"""

import re
from collections.abc import Callable

from api import field, names
from api.core.pod_env import resource_field_errors, volume_field_errors
from api.core.pod_mounts import backstep_errors, local_path_errors
from api.field import FieldError, Path
from api.quantity import parse_quantity
from api.resource import Obj

_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?").fullmatch
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_TOKEN_SECONDS = (600, 1 << 32)
# Fields that the other sources must have, in upstream's order.
_REQUIRED = {
    "gitRepo": ("repository",),
    "nfs": ("server", "path"),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "fc": (),
    "cephfs": ("monitors",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "flocker": (),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "storageos": (),
    "csi": ("driver",),
}


def volumes_errors(
    volumes: list[Obj], path: Path, pod_name: str = ""
) -> tuple[dict[str, Obj], list[FieldError]]:
    """Return the volumes by name, and what is wrong with them."""
    found: dict[str, Obj] = {}
    errors: list[FieldError] = []
    for number, volume in enumerate(volumes):
        at = path.index(number)
        bad = _source_errors(volume, at, pod_name)
        name = volume.get("name", "")
        if not name:
            bad.append(field.required(at.child("name")))
        elif not _PLAIN_NAME(name):
            bad += [field.invalid(at.child("name"), name, text) for text in names.is_dns1123_label(name)]
        if name in found:
            bad.append(field.duplicate(at.child("name"), name))
        else:
            found[name] = volume
        errors += bad
    return found, errors


def _source_errors(volume: Obj, path: Path, pod_name: str) -> list[FieldError]:
    sources = [name for name in volume if name != "name"]
    if not sources:
        return [field.required(path, "must specify a volume type")]
    first = sources[0]
    check = _CHECKS.get(first)
    at = path.child(first)
    errors = check(volume[first], at) if check else _required_errors(first, volume[first], at)
    if (
        first == "ephemeral"
        and pod_name
        and len(f"{pod_name}-{volume.get('name', '')}") > names.SUBDOMAIN_MAX
    ):
        text = names.max_length_message(names.SUBDOMAIN_MAX)
        errors.append(field.invalid(path.child("name"), volume.get("name", ""), f"PVC name: {text}"))
    for name in sources[1:]:
        errors.append(field.forbidden(path.child(name), "may not specify more than 1 volume type"))
    return errors


def _required_errors(name: str, source: Obj, path: Path) -> list[FieldError]:
    return [field.required(path.child(part)) for part in _REQUIRED.get(name, ()) if not source.get(part)]


def _empty_dir(source: Obj, path: Path) -> list[FieldError]:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit).nano < 0:
        return [field.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")]
    return []


def _host_path(source: Obj, path: Path) -> list[FieldError]:
    text, kind = source.get("path", ""), source.get("type", "")
    errors = backstep_errors(text, path.child("path")) if text else [field.required(path.child("path"))]
    if kind not in _HOST_PATH_TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _HOST_PATH_TYPES))
    return errors


def mode_errors(source: Obj, name: str, path: Path) -> list[FieldError]:
    """Check permission bits, if they are there."""
    mode = source.get(name)
    return [] if mode is None or 0 <= mode <= 0o777 else [field.invalid(path.child(name), mode, _MODE)]


def _items_errors(source: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for number, item in enumerate(source.get("items") or ()):
        at = path.child("items").index(number)
        if not item.get("key"):
            errors.append(field.required(at.child("key")))
        target = item.get("path", "")
        errors += (
            local_path_errors(target, at.child("path")) if target else [field.required(at.child("path"))]
        )
        errors += mode_errors(item, "mode", at)
    return errors


def _secret(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("secretName") else [field.required(path.child("secretName"))]
    return errors + mode_errors(source, "defaultMode", path) + _items_errors(source, path)


def _configmap(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("name") else [field.required(path.child("name"))]
    return errors + mode_errors(source, "defaultMode", path) + _items_errors(source, path)


def _downward(source: Obj, path: Path) -> list[FieldError]:
    errors = mode_errors(source, "defaultMode", path)
    for item in source.get("items") or ():
        errors += _downward_item(item, path)
    return errors


def _downward_item(item: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    target = item.get("path", "")
    errors += (
        local_path_errors(target, path.child("path")) if target else [field.required(path.child("path"))]
    )
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


def _projected(source: Obj, path: Path) -> list[FieldError]:
    errors = mode_errors(source, "defaultMode", path)
    taken: set[str] = set()
    for number, part in enumerate(source.get("sources") or ()):
        at = path.child("sources").index(number)
        kinds = [name for name in part if name in _PROJECTIONS]
        for place, name in enumerate(kinds):
            if place:
                errors.append(field.forbidden(path.child(name), "may not specify more than 1 volume type"))
            else:
                errors += _PROJECTIONS[name](part[name], at.child(name))
                errors += _conflicts(part[name], name, taken, path)
    return errors


def _conflicts(part: Obj, name: str, taken: set[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    targets = [part] if name in ("serviceAccountToken", "clusterTrustBundle") else part.get("items") or ()
    for target in targets:
        text = target.get("path", "")
        if text and text in taken:
            errors.append(field.invalid(path, part.get("name", text), f"conflicting duplicate paths: {text}"))
        taken.add(text)
    return errors


def _named(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("name") else [field.required(path.child("name"))]
    return errors + _items_errors(source, path)


def _downward_projection(source: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for item in source.get("items") or ():
        errors += _downward_item(item, path)
    return errors


def _token(source: Obj, path: Path) -> list[FieldError]:
    seconds, target = source.get("expirationSeconds", 3600), source.get("path", "")
    errors: list[FieldError] = []
    at = path.child("expirationSeconds")
    if seconds < _TOKEN_SECONDS[0]:
        errors.append(field.invalid(at, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _TOKEN_SECONDS[1]:
        errors.append(field.invalid(at, seconds, "may not specify a duration larger than 2^32 seconds"))
    return errors + (
        local_path_errors(target, path.child("path")) if target else [field.required(path.child("path"))]
    )


def _bundle(source: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if bool(source.get("name")) == bool(source.get("signerName")):
        text = (
            "only one of name and signerName may be used"
            if source.get("name")
            else "either name or signerName must be specified"
        )
        errors.append(field.invalid(path, source, text))
    return errors if source.get("path") else [*errors, field.required(path.child("path"))]


def _claim(source: Obj, path: Path) -> list[FieldError]:
    return [] if source.get("claimName") else [field.required(path.child("claimName"))]


def _ephemeral(source: Obj, path: Path) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    return [field.required(path.child("volumeClaimTemplate"))] if template is None else []


def _image(source: Obj, path: Path) -> list[FieldError]:
    policy = source.get("pullPolicy", "")
    errors = [] if source.get("reference") else [field.required(path.child("reference"))]
    if policy not in _PULL_POLICIES:
        errors.append(field.not_supported(path.child("pullPolicy"), policy, _PULL_POLICIES) if policy
                      else field.required(path.child("pullPolicy")))  # fmt: skip
    return errors


_Check = Callable[[Obj, Path], list[FieldError]]
_PROJECTIONS: dict[str, _Check] = {
    "secret": _named,
    "configMap": _named,
    "downwardAPI": _downward_projection,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _bundle,
}
_CHECKS: dict[str, _Check] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _configmap,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "ephemeral": _ephemeral,
    "image": _image,
}
