"""Sources of volumes that pods and persistent volumes share: network and cloud storage, host paths.

Called by `pod_volumes` and `persistentvolume`; `PERSISTENT` holds what differs for the latter.
Source: pkg/apis/core/validation validateVolumeSource, ValidatePersistentVolumeSpec (1.36).
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from api import field, names
from api.core.pod_mounts import backstep_errors, descending_path_errors
from api.field import FieldError, Path
from api.resource import Obj

Check: TypeAlias = Callable[[Obj, Path], list[FieldError]]

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_PARTITION = names.range_message(1, 255)
_LUN = names.range_message(0, 255)
_DRIVER_MAX = 63
_TENANT_MAX = 64
_IQN = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)").fullmatch,
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}").fullmatch,
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}").fullmatch,
}
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_PAIRS = "must be a host:port pair or multiple pairs separated by commas"
_RESERVED = "kubernetes.io and k8s.io namespaces are reserved"


def _missing(source: Obj, path: Path, *wanted: str) -> list[FieldError]:
    return [field.required(path.child(name)) for name in wanted if not source.get(name)]


def _needs(*wanted: str) -> Check:
    return lambda source, path: _missing(source, path, *wanted)


def _host_path(source: Obj, path: Path) -> list[FieldError]:
    text, kind = source.get("path", ""), source.get("type", "")
    if not text:
        return [field.required(path.child("path"))]
    errors = backstep_errors(text, path.child("path"))
    if kind not in _HOST_PATH_TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _HOST_PATH_TYPES))
    return errors


def _partitioned(name: str) -> Check:
    def check(source: Obj, path: Path) -> list[FieldError]:
        errors, number = _missing(source, path, name), source.get("partition", 0)
        if not 0 <= number <= 255:
            errors.append(field.invalid(path.child("partition"), number, _PARTITION))
        return errors

    return check


def _git(source: Obj, path: Path) -> list[FieldError]:
    return _missing(source, path, "repository") + descending_path_errors(
        source.get("directory", ""), path.child("directory")
    )


def _nfs(source: Obj, path: Path) -> list[FieldError]:
    errors, place = _missing(source, path, "server", "path"), source.get("path", "")
    if not place.startswith("/"):
        errors.append(field.invalid(path.child("path"), place, "must be an absolute path"))
    return errors


def _iscsi(source: Obj, path: Path, odd: str) -> list[FieldError]:
    """Check an iSCSI target; `odd`: what is said of a name of no known form."""
    errors = _missing(source, path, "targetPortal", "iqn")
    if iqn := source.get("iqn"):
        errors += _iqn_errors(iqn, odd, path.child("iqn"))
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        errors.append(field.invalid(path.child("lun"), lun, _LUN))
    secret = source.get("secretRef")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        errors.append(field.required(path.child("secretRef")))
    if (initiator := source.get("initiatorName")) is not None:
        errors += _iqn_errors(initiator, odd, path.child("initiatorname"))
    return errors


def _iqn_errors(text: str, odd: str, path: Path) -> list[FieldError]:
    match = _IQN.get(text[:3])
    if match is None:
        return [field.invalid(path, text, odd)]
    return [] if match(text) else [field.invalid(path, text, "must be valid format")]


def _pod_iscsi(source: Obj, path: Path) -> list[FieldError]:
    return _iscsi(source, path, "must be valid format starting with iqn, eui, or naa")


def _persistent_iscsi(source: Obj, path: Path) -> list[FieldError]:
    errors = _iscsi(source, path, "must be valid format")
    secret = source.get("secretRef")
    return errors if secret is None else errors + _missing(secret, path.child("secretRef"), "name")


def _glusterfs(source: Obj, path: Path) -> list[FieldError]:
    errors, space = _missing(source, path, "endpoints", "path"), source.get("endpointsNamespace")
    at = path.child("endpointsNamespace")
    if space == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        errors.append(field.invalid(at, space, text))
    elif space is not None:
        errors += [field.invalid(at, space, text) for text in names.is_dns1123_label(space)]
    return errors


def _with_secret(wanted: tuple[str, ...], *parts: str) -> Check:
    """Return the check of a source whose secret, if there is one, must have these parts."""

    def check(source: Obj, path: Path) -> list[FieldError]:
        errors, secret = _missing(source, path, *wanted), source.get("secretRef")
        return errors if secret is None else errors + _missing(secret, path.child("secretRef"), *parts)

    return check


def _quobyte(source: Obj, path: Path) -> list[FieldError]:
    registry, tenant = source.get("registry", ""), source.get("tenant", "")
    errors: list[FieldError] = []
    if not registry:
        errors.append(field.required(path.child("registry"), _PAIRS))
    elif len(tenant) > _TENANT_MAX:
        text = f"must be a UUID and may not exceed a length of {_TENANT_MAX} characters"
        errors.append(field.required(path.child("tenant"), text))
    else:
        errors += [
            field.invalid(path.child("registry"), registry, _PAIRS)
            for pair in registry.split(",")
            if pair.count(":") != 1 and "]:" not in pair
        ]
    return errors + _missing(source, path, "volume")


def _fibre(source: Obj, path: Path) -> list[FieldError]:
    targets, ids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    at, errors = path.child("targetWWNs"), []
    if not targets and not ids:
        errors.append(field.required(at, "must specify either targetWWNs or wwids, but not both"))
    if targets and ids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(field.invalid(at, targets, text))
    if not targets:
        return errors
    if lun is None:
        errors.append(field.required(path.child("lun"), "lun is required if targetWWNs is specified"))
    elif not 0 <= lun <= 255:
        errors.append(field.invalid(path.child("lun"), lun, _LUN))
    return errors


def _flocker(source: Obj, path: Path) -> list[FieldError]:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    errors: list[FieldError] = []
    if not name and not uuid:
        errors.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(field.invalid(path, "resource", text))
    if "/" in name:
        errors.append(field.invalid(path.child("datasetName"), name, "must not contain '/'"))
    return errors


def _flex(source: Obj, path: Path) -> list[FieldError]:
    errors = _missing(source, path, "driver")
    for key in source.get("options") or {}:
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            errors.append(field.invalid(path.child("options").key(key), key, _RESERVED))
    return errors


def _azure_file(source: Obj, path: Path) -> list[FieldError]:
    errors = _missing(source, path, "secretName", "shareName")
    if source.get("secretNamespace") == "":
        errors.append(field.required(path.child("secretNamespace")))
    return errors


def _azure_disk(source: Obj, path: Path) -> list[FieldError]:
    errors, uri, kind = (
        _missing(source, path, "diskName", "diskURI"),
        source.get("diskURI", ""),
        source.get("kind"),
    )
    caching = source.get("cachingMode")
    if caching is not None and caching not in _CACHING:
        errors.append(field.not_supported(path.child("cachingMode"), caching, _CACHING))
    if kind is not None and kind not in _DISK_KINDS:
        errors.append(field.not_supported(path.child("kind"), kind, _DISK_KINDS))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.append(field.not_supported(path.child("diskURI"), uri, (_MANAGED_URI,)))
    if kind not in (None, "Managed") and not uri.startswith("https://"):
        errors.append(field.not_supported(path.child("diskURI"), uri, (_BLOB_URI,)))
    return errors


def _storageos(*parts: str) -> Check:
    def check(source: Obj, path: Path) -> list[FieldError]:
        errors = _missing(source, path, "volumeName")
        for name in ("volumeName", "volumeNamespace"):
            if text := source.get(name):
                errors += [field.invalid(path.child(name), text, why) for why in names.is_dns1123_label(text)]
        secret = source.get("secretRef")
        return errors if secret is None else errors + _missing(secret, path.child("secretRef"), *parts)

    return check


def driver_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of a CSI driver."""
    errors = [] if name else [field.required(path)]
    if len(name) > _DRIVER_MAX:
        errors.append(field.too_long(path, _DRIVER_MAX))
    return errors + [field.invalid(path, name, text) for text in names.is_dns1123_subdomain(name.lower())]


def _csi(source: Obj, path: Path) -> list[FieldError]:
    errors, secret = (
        driver_errors(source.get("driver", ""), path.child("driver")),
        source.get("nodePublishSecretRef"),
    )
    if secret is None:
        return errors
    name = secret.get("name", "")
    if not name:
        return [*errors, field.required(path.child("nodePublishSecretRef").child("name"))]
    return errors + [
        field.invalid(path.child("name"), name, text) for text in names.is_dns1123_subdomain(name)
    ]


def _persistent_csi(source: Obj, path: Path) -> list[FieldError]:
    errors = driver_errors(source.get("driver", ""), path.child("driver"))
    errors += _missing(source, path, "volumeHandle")
    for name in (
        "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ):  # fmt: skip
        if (secret := source.get(name)) is not None:
            errors += _secret_reference_errors(secret, path.child(name))
    return errors


def _secret_reference_errors(secret: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for part, rule in (("name", names.is_dns1123_subdomain), ("namespace", names.is_dns1123_label)):
        text = secret.get(part, "")
        errors += (
            [field.invalid(path.child(part), text, why) for why in rule(text)]
            if text
            else [field.required(path.child(part))]
        )
    return errors


def _local(source: Obj, path: Path) -> list[FieldError]:
    text, at = source.get("path", ""), path.child("path")
    return backstep_errors(text, at) if text else [field.required(at)]


# By the field that selects the source.
POD: Mapping[str, Check] = {
    "hostPath": _host_path,
    "gitRepo": _git,
    "gcePersistentDisk": _partitioned("pdName"),
    "awsElasticBlockStore": _partitioned("volumeID"),
    "nfs": _nfs,
    "iscsi": _pod_iscsi,
    "glusterfs": _glusterfs,
    "flocker": _flocker,
    "rbd": _needs("monitors", "image"),
    "cinder": _with_secret(("volumeID",), "name"),
    "cephfs": _needs("monitors"),
    "quobyte": _quobyte,
    "fc": _fibre,
    "flexVolume": _flex,
    "azureFile": _azure_file,
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _azure_disk,
    "storageos": _storageos("name"),
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "csi": _csi,
}
PERSISTENT: Mapping[str, Check] = {
    **{name: check for name, check in POD.items() if name != "gitRepo"},
    "iscsi": _persistent_iscsi,
    "cinder": _with_secret(("volumeID",), "name", "namespace"),
    "local": _local,
    "storageos": _storageos("name", "namespace"),
    "csi": _persistent_csi,
}
