"""PersistentVolumes. Spec: pkg/apis/core/v1 SetDefaults_PersistentVolume, ValidatePersistentVolume (1.36)."""

import posixpath

from api import field
from api.codec.shapes import equal
from api.core.claim_spec import VOLUME_MODES, access_mode_errors, class_name_errors
from api.core.pod_affinity import node_selector_errors
from api.core.pod_defaults import NETWORK_SOURCES
from api.core.volume_sources import PERSISTENT
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.quantity import parse_quantity
from api.resource import Obj

_SPEC = Path("spec")
_POLICIES = ("Delete", "Recycle", "Retain")
# In upstream's order, which decides what source a volume with several has.
_SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte",
    "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk",
    "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
# Where upstream words the path of a source differently.
_PATHS = {"gcePersistentDisk": "persistentDisk"}
_EXTRA_PATHS = {"cephfs": "cephFS"}
_ISCSI_MAX = 64
_ISCSI_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName "
    "is specified."
)
# Labels of nodes that an old volume may name by their names of before 1.17: they may be brought up to date.
_RENAMED = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}

defaults = defaulting(
    nested={
        "spec": struct(
            defaulting(
                absent={"volumeMode": "Filesystem"},
                empty={"persistentVolumeReclaimPolicy": "Retain"},
                nested=NETWORK_SOURCES,
            )
        ),
        "status": defaulting(empty={"phase": "Pending"}),
    }
)


def validate(obj: Obj) -> list[FieldError]:
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name", "")
    errors = validate_metadata(obj, namespaced=False)
    if not spec.get("accessModes"):
        errors.append(field.required(_SPEC.child("accessModes")))
    errors += access_mode_errors(spec, _SPEC) + _capacity_errors(spec.get("capacity") or {})
    policy, mode = spec.get("persistentVolumeReclaimPolicy", ""), spec.get("volumeMode")
    at = _SPEC.child("persistentVolumeReclaimPolicy")
    if policy and policy not in _POLICIES:
        errors.append(field.not_supported(at, policy, _POLICIES))
    errors += _affinity_errors(spec) + _source_errors(spec, name)
    host = spec.get("hostPath")
    if policy == "Recycle" and host is not None and posixpath.normpath(host.get("path", "")) in ("/", "//"):
        errors.append(field.forbidden(at, "may not be 'recycle' for a hostPath mount of '/'"))
    errors += class_name_errors(spec, "storageClassName", _SPEC)
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(_SPEC.child("volumeMode"), mode, VOLUME_MODES))
    return errors + _attributes_errors(spec)


def _capacity_errors(capacity: Obj) -> list[FieldError]:
    at = _SPEC.child("capacity")
    errors = [] if capacity else [field.required(at)]
    if set(capacity) != {"storage"}:
        errors.append(field.not_supported(at, capacity, ("storage",)))
    for name, quantity in capacity.items():
        amount = parse_quantity(quantity)
        if amount.nano < 0:
            text = "must be a valid resource quantity"
            errors.append(field.invalid(at.key(name), amount.nano // 10**9, text))
        if amount.nano <= 0:
            errors.append(field.invalid(at.key(name), str(amount), "must be greater than zero"))
    return errors


def _affinity_errors(spec: Obj) -> list[FieldError]:
    affinity, at = spec.get("nodeAffinity"), _SPEC.child("nodeAffinity").child("required")
    if affinity is None:
        return []
    if affinity.get("required") is None:
        return [field.required(at, "must specify required node constraints")]
    return node_selector_errors(affinity["required"], at)


def _source_errors(spec: Obj, name: str) -> list[FieldError]:
    sources = [source for source in _SOURCES if spec.get(source) is not None]
    if not sources:
        return [field.required(_SPEC, "must specify a volume type")]
    first = sources[0]
    errors = PERSISTENT[first](spec[first], _SPEC.child(_PATHS.get(first, first)))
    if first == "iscsi":
        errors += _iscsi_errors(spec[first], name)
    if first == "local" and spec.get("nodeAffinity") is None:
        errors.append(field.required(_SPEC.child("nodeAffinity"), "Local volume requires node affinity"))
    text = "may not specify more than 1 volume type"
    return errors + [
        field.forbidden(_SPEC.child(_EXTRA_PATHS.get(other, other)), text) for other in sources[1:]
    ]


def _iscsi_errors(source: Obj, name: str) -> list[FieldError]:
    portal = source.get("targetPortal", "")
    if "initiatorName" not in source or len(f"{name}:{portal}") <= _ISCSI_MAX:
        return []
    return [field.invalid(_SPEC.child("iscsi").child("targetportal"), portal, _ISCSI_TOO_LONG)]


def _attributes_errors(spec: Obj) -> list[FieldError]:
    name, at = spec.get("volumeAttributesClassName"), _SPEC.child("volumeAttributesClassName")
    if name is None:
        return []
    errors = (
        class_name_errors(spec, "volumeAttributesClassName", _SPEC)
        if name
        else [field.required(at, "an empty string is disallowed")]
    )
    if spec.get("csi") is None:
        text = "has to be specified when using volumeAttributesClassName"
        errors.append(field.required(_SPEC.child("csi"), text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    now, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new, old) + validate(new)
    if not equal(_sources_of(now, before), _sources_of(before, before)):
        text = "spec.persistentvolumesource is immutable after creation"
        errors.append(field.forbidden(_SPEC.child("persistentvolumesource"), text))
    if now.get("volumeMode") != before.get("volumeMode"):
        errors.append(field.invalid(Path("volumeMode"), now.get("volumeMode"), IMMUTABLE))
    affinity, had = now.get("nodeAffinity"), before.get("nodeAffinity")
    if had is not None and not equal(affinity, had) and not equal(affinity, _renamed(had, affinity)):
        text = f"{IMMUTABLE}, except for updating from beta label to GA"
        errors.append(field.invalid(Path("nodeAffinity"), affinity, text))
    if before.get("volumeAttributesClassName") is not None and now.get("volumeAttributesClassName") is None:
        text = "update from non-nil value to nil is forbidden"
        errors.append(field.forbidden(_SPEC.child("volumeAttributesClassName"), text))
    return errors


def _sources_of(spec: Obj, before: Obj) -> Obj:
    """Return the sources of a volume; the secret for growing it may be added later."""
    found = {name: spec[name] for name in _SOURCES if spec.get(name) is not None}
    driver = found.get("csi")
    if driver is not None and "controllerExpandSecretRef" not in (before.get("csi") or {}):
        found["csi"] = {key: value for key, value in driver.items() if key != "controllerExpandSecretRef"}
    return found


def _renamed(affinity: Obj, wanted: Obj | None) -> Obj:
    """Return the old affinity with those keys in their new form that have it in the wanted one."""
    terms = ((wanted or {}).get("required") or {}).get("nodeSelectorTerms") or []
    keys = {item.get("key") for term in terms for item in term.get("matchExpressions") or ()}

    def fresh(item: Obj) -> Obj:
        new = _RENAMED.get(item.get("key", ""))
        return {**item, "key": new} if new in keys else item

    required = affinity.get("required") or {}
    made = [
        {**term, "matchExpressions": [fresh(item) for item in term["matchExpressions"]]}
        if "matchExpressions" in term
        else term
        for term in required.get("nodeSelectorTerms") or ()
    ]
    return {**affinity, "required": {**required, "nodeSelectorTerms": made}}
