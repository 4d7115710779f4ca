"""The pods of a StatefulSet: names, ordinals, what belongs to each. Pure.

Source: pkg/controller/statefulset stateful_set_utils.go (1.36).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from api.owners import new_controller_ref
from api.resource import Obj
from api.types.apps_v1 import STATEFULSETS, StatefulSet
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from controllers.framework.controller import View
from controllers.framework.plan import Create
from controllers.history import HASH_LABEL

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def start_of(sts: StatefulSet) -> int:
    """Return the first ordinal."""
    return int((sts["spec"].get("ordinals") or {}).get("start", 0))


def ordinal_of(sts: StatefulSet, pod: Mapping[str, Any]) -> int | None:
    """Return the ordinal in the pod's name, None if the name is not of this set."""
    found = _NAME.fullmatch(pod["metadata"]["name"])
    if found is None or found.group(1) != sts["metadata"]["name"]:
        return None
    return int(found.group(2))


def revision_of(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def new_pod(sts: StatefulSet, template: Mapping[str, Any], ordinal: int, revision: str) -> Obj:
    """Return the pod with an ordinal, made from the template of a revision."""
    name = f"{sts['metadata']['name']}-{ordinal}"
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), POD_NAME: name, POD_INDEX: str(ordinal), HASH_LABEL: revision}
    kept = {key: metadata[key] for key in ("annotations", "finalizers") if metadata.get(key)}
    spec: Obj = {**(template.get("spec") or {}), "hostname": name}
    if service := sts["spec"].get("serviceName"):
        spec["subdomain"] = service
    claims = claims_of(sts, name)
    if claims:
        others = [volume for volume in spec.get("volumes") or () if volume["name"] not in claims]
        mounted = [
            {"name": volume, "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
            for volume, claim in claims.items()
        ]
        spec["volumes"] = [*mounted, *others]
    reference = new_controller_ref(sts, STATEFULSETS)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**kept, "name": name, "labels": labels, "ownerReferences": [reference]},
        "spec": spec,
    }


def missing_claims(sts: StatefulSet, ordinal: int, view: View) -> Iterable[Create]:
    """Return the creation of the volume claims of a pod that do not exist yet."""
    namespace = sts["metadata"].get("namespace", "")
    for claim in claims_of(sts, f"{sts['metadata']['name']}-{ordinal}").values():
        if view.get(PERSISTENTVOLUMECLAIMS, namespace, claim["metadata"]["name"]) is None:
            yield Create(PERSISTENTVOLUMECLAIMS, claim, namespace)


def claims_of(sts: StatefulSet, pod_name: str) -> dict[str, Obj]:
    """Return the volume claims of a pod by the names of its volumes."""
    selector: Any = sts["spec"].get("selector") or {}
    templates: list[Any] = sts["spec"].get("volumeClaimTemplates") or []
    claims: dict[str, Obj] = {}
    for template in templates:
        metadata = template["metadata"]
        labels = {**(metadata.get("labels") or {}), **(selector.get("matchLabels") or {})}
        claims[metadata["name"]] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": f"{metadata['name']}-{pod_name}",
                "labels": labels,
                "annotations": dict(metadata.get("annotations") or {}),
            },
            "spec": template.get("spec") or {},
        }
    return claims
