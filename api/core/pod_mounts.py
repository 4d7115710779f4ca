"""Validation of volume mounts and block devices of containers.

Source: pkg/apis/core/validation ValidateVolumeMounts, ValidateVolumeDevices (1.36).
"""

from collections.abc import Mapping

from api import field
from api.field import FieldError, Path
from api.resource import Obj

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def mount_errors(container: Obj, volumes: Mapping[str, Obj], path: Path) -> list[FieldError]:
    """Check that mounts name volumes of the pod and that no two share a place."""
    errors: list[FieldError] = []
    places: set[str] = set()
    devices = container.get("volumeDevices") or ()
    for number, mount in enumerate(container["volumeMounts"]):
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        at = (
            path.index(number) if devices or not (name in volumes and place and place not in places) else path
        )
        if not name:
            errors.append(field.required(at.child("name")))
        if name not in volumes:
            errors.append(field.not_found(at.child("name"), name))
        if not place:
            errors.append(field.required(at.child("mountPath")))
        if place in places:
            errors.append(field.invalid(at.child("mountPath"), place, "must be unique"))
        places.add(place)
        for device in devices:
            if device.get("name") == name:
                errors.append(
                    field.invalid(at.child("name"), name, "must not already exist in volumeDevices")
                )
            if device.get("devicePath") == place:
                text = "must not already exist as a path in volumeDevices"
                errors.append(field.invalid(at.child("mountPath"), place, text))
        if len(mount) > 2:
            errors += _detail_errors(mount, volumes.get(name, {}), container, number, path)
    return errors


def _detail_errors(mount: Obj, volume: Obj, container: Obj, number: int, whole: Path) -> list[FieldError]:
    """Check sub-paths and modes. Upstream names some of these fields without the mount's index; so do we."""
    errors: list[FieldError] = []
    path = whole.index(number)
    for name in ("subPath", "subPathExpr"):
        text = mount.get(name)
        if not text:
            continue
        if "image" in volume:
            errors.append(field.invalid(path.child(name), text, "not allowed in image volume sources"))
        if name == "subPathExpr" and mount.get("subPath"):
            errors.append(
                field.invalid(path.child(name), text, "subPathExpr and subPath are mutually exclusive")
            )
        errors += descending_path_errors(text, whole.child(name))
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        errors += _propagation_errors(propagation, container, whole.child("mountPropagation"))
    recursive = mount.get("recursiveReadOnly")
    if recursive is not None:
        errors += _recursive_errors(mount, recursive, whole.child("recursiveReadOnly"))
    return errors


def _propagation_errors(propagation: str, container: Obj, path: Path) -> list[FieldError]:
    privileged = (container.get("securityContext") or {}).get("privileged")
    if propagation == "Bidirectional" and not privileged:
        return [
            field.forbidden(
                path, "Bidirectional mount propagation is available only to privileged containers"
            )
        ]
    return [] if propagation in _PROPAGATIONS else [field.not_supported(path, propagation, _PROPAGATIONS)]


def _recursive_errors(mount: Obj, recursive: str, path: Path) -> list[FieldError]:
    if recursive == "Disabled":
        return []
    if recursive not in _READ_ONLY:
        return [field.not_supported(path, recursive, _READ_ONLY)]
    errors = []
    if not mount.get("readOnly"):
        errors.append(field.forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation", "None") != "None":
        text = "may only be specified when mountPropagation is None or not specified"
        errors.append(field.forbidden(path, text))
    return errors


def device_errors(container: Obj, volumes: Mapping[str, Obj], path: Path) -> list[FieldError]:
    """Check that block devices name claims of the pod, each once."""
    errors: list[FieldError] = []
    names: set[str] = set()
    places: set[str] = set()
    for number, device in enumerate(container["volumeDevices"]):
        at = path.index(number)
        name, place = device.get("name", ""), device.get("devicePath", "")
        if not name:
            errors.append(field.required(at.child("name")))
        if name in names:
            errors.append(field.invalid(at.child("name"), name, "must be unique"))
        names.add(name)
        volume = volumes.get(name)
        if volume is None:
            errors.append(field.not_found(at.child("name"), name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(field.invalid(at.child("name"), name, text))
        if not place:
            errors.append(field.required(at.child("devicePath")))
        if place in places:
            errors.append(field.invalid(at.child("devicePath"), place, "must be unique"))
        if ".." in place.split("/"):
            errors.append(field.invalid(at.child("devicePath"), place, "can not contain backsteps ('..')"))
        places.add(place)
    return errors


def descending_path_errors(text: str, path: Path) -> list[FieldError]:
    """Check a relative path that never leaves its root."""
    errors = [field.invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return errors + backstep_errors(text, path)


def backstep_errors(text: str, path: Path) -> list[FieldError]:
    """Check a path for `..`."""
    return [field.invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []


def local_path_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of a file that a volume projects."""
    errors = descending_path_errors(text, path)
    if text.startswith("..") and not text.startswith("../"):
        errors.append(field.invalid(path, text, "must not start with '..'"))
    return errors
