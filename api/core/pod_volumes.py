"""Validation of a pod's volumes.

Source: pkg/apis/core/validation ValidateVolumes, validateVolumeSource (1.36).
"""

import re
from collections.abc import Mapping

from api import field, names
from api.core.claim_spec import claim_errors
from api.core.pod_projections import downward_errors, items_errors, mode_errors, projected_errors
from api.core.volume_sources import POD, Check
from api.field import FieldError, Path
from api.meta import validate_annotations, validate_labels
from api.quantity import parse_quantity
from api.resource import Obj

_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?").fullmatch
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_ISCSI_MAX = 64
_ISCSI_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName "
    "is specified."
)


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
    if len(sources) > 1:
        sources.sort(key=_ORDER.index)
    first = sources[0]
    errors = _CHECKS[first](volume[first], path.child(first))
    if first in ("ephemeral", "iscsi"):
        errors += _length_errors(volume, first, path, pod_name)
    for name in sources[1:]:
        errors.append(field.forbidden(path.child(name), "may not specify more than 1 volume type"))
    return errors


def _length_errors(volume: Obj, source: str, path: Path, pod_name: str) -> list[FieldError]:
    """Check names that are made of the volume's name and another one."""
    name, at = volume.get("name", ""), path.child("name")
    if source == "iscsi":
        target = volume["iscsi"]
        long = "initiatorName" in target and len(f"{name}:{target.get('targetPortal', '')}") > _ISCSI_MAX
        return [field.invalid(at, name, _ISCSI_TOO_LONG)] if long else []
    if not pod_name or not name:
        return []
    claim = f"{pod_name}-{name}"
    return [
        field.invalid(at, name, f'PVC name "{claim}": {text}') for text in names.is_dns1123_subdomain(claim)
    ]


def _empty_dir(source: Obj, path: Path) -> list[FieldError]:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit).nano < 0:
        return [field.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")]
    return []


def _secret(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("secretName") else [field.required(path.child("secretName"))]
    return errors + mode_errors(source, "defaultMode", path) + items_errors(source, path)


def _configmap(source: Obj, path: Path) -> list[FieldError]:
    errors = [] if source.get("name") else [field.required(path.child("name"))]
    return errors + mode_errors(source, "defaultMode", path) + items_errors(source, path)


def _claim(source: Obj, path: Path) -> list[FieldError]:
    return [] if source.get("claimName") else [field.required(path.child("claimName"))]


def _ephemeral(source: Obj, path: Path) -> list[FieldError]:
    template, at = source.get("volumeClaimTemplate"), path.child("volumeClaimTemplate")
    if template is None:
        return [field.required(at)]
    metadata, here = template.get("metadata") or {}, at.child("metadata")
    errors = validate_annotations(metadata.get("annotations") or {}, here.child("annotations"))
    errors += validate_labels(metadata.get("labels") or {}, here.child("labels"))
    errors += [
        field.forbidden(here.child(name), "cannot be set")
        for name, value in metadata.items()
        if name not in ("annotations", "labels") and value
    ]
    return errors + claim_errors(template.get("spec") or {}, at.child("spec"))


def _image(source: Obj, path: Path) -> list[FieldError]:
    policy = source.get("pullPolicy", "")
    errors = [] if source.get("reference") else [field.required(path.child("reference"))]
    if policy not in _PULL_POLICIES:
        errors.append(field.not_supported(path.child("pullPolicy"), policy, _PULL_POLICIES) if policy
                      else field.required(path.child("pullPolicy")))  # fmt: skip
    return errors


# In upstream's order, which decides what source a volume with several has.
_CHECKS: Mapping[str, Check] = {
    "emptyDir": _empty_dir,
    **{name: POD[name] for name in ("hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore")},
    "secret": _secret,
    **{name: POD[name] for name in ("nfs", "iscsi", "glusterfs", "flocker")},
    "persistentVolumeClaim": _claim,
    **{name: POD[name] for name in ("rbd", "cinder", "cephfs", "quobyte")},
    "downwardAPI": downward_errors,
    **{name: POD[name] for name in ("fc", "flexVolume")},
    "configMap": _configmap,
    **{name: POD[name] for name in ("azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume")},
    **{name: POD[name] for name in ("azureDisk", "storageos")},
    "projected": projected_errors,
    **{name: POD[name] for name in ("scaleIO", "csi")},
    "ephemeral": _ephemeral,
    "image": _image,
}
_ORDER = list(_CHECKS)
