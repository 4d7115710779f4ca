"""CustomResourceDefinitions: which versions objects may be stored in; how a definition begins to go.

Source: apiextensions-apiserver pkg/registry/customresourcedefinition strategy.go, etcd.go (1.36).
"""

from datetime import datetime

from api.conditions import set_condition
from api.resource import Obj
from api.times import parse_time
from apiserver.rest.strategy import Strategy

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


class CustomResourceDefinitionStrategy(Strategy):
    unconditional_update = False
    configures = True
    finalizer_on_delete = FINALIZER

    def prepare_for_create(self, obj: Obj) -> Obj:
        return with_storage_version({**obj, "status": {}})

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return with_storage_version(super().prepare_for_update(new, old))

    def prepare_for_delete(self, obj: Obj) -> Obj:
        """Return the marked definition; its condition says so before the first instance is deleted."""
        status = obj.get("status") or {}
        if any(item.get("type") == "Terminating" for item in status.get("conditions") or ()):
            return obj
        told = {
            "type": "Terminating",
            "status": "True",
            "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; "
            "CustomResource deletion will begin soon",
        }
        conditions = set_condition(status.get("conditions"), told, _moment(obj))
        return {**obj, "status": {**status, "conditions": conditions}}


def _moment(obj: Obj) -> datetime:
    return parse_time(obj["metadata"]["deletionTimestamp"])


def with_storage_version(obj: Obj) -> Obj:
    """Return the definition with its storage version among those in which objects may be stored."""
    status = obj.get("status") or {}
    stored = status.get("storedVersions") or []
    versions = (obj.get("spec") or {}).get("versions") or ()
    wanted = next((version.get("name") for version in versions if version.get("storage")), "")
    if not wanted or wanted in stored:
        return obj
    return {**obj, "status": {**status, "storedVersions": [*stored, wanted]}}
