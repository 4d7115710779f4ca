"""Rows of the core group, pods excepted. Source: pkg/printers/internalversion/printers.go (1.36)."""

from datetime import datetime
from typing import Any

from api.codec.columns.layout import (
    NONE,
    UNKNOWN,
    UNSET,
    Layout,
    age,
    condition_status,
    container_cells,
    format_labels,
    layout,
    name,
    part,
    since,
    template_cells,
    with_more,
)
from api.codec.columns.pods import POD
from api.resource import Obj

_ROLE_PREFIX, _ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def _namespace(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), part(obj, "status").get("phase", ""), age(obj, now)]


def _node(obj: Obj, now: datetime) -> list[Any]:
    ready = condition_status(obj, "Ready")
    status = ["Unknown" if not ready else "Ready" if ready == "True" else "NotReady"]
    if part(obj, "spec").get("unschedulable"):
        status.append("SchedulingDisabled")
    info = part(obj, "status", "nodeInfo")
    return [
        name(obj),
        ",".join(status),
        ",".join(_roles(obj)) or NONE,
        age(obj, now),
        info.get("kubeletVersion", ""),
        _node_address(obj, "InternalIP"),
        _node_address(obj, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(obj: Obj) -> list[str]:
    labels = obj["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return sorted({*roles, labels.get(_ROLE_LABEL, "")} - {""})


def _node_address(obj: Obj, kind: str) -> str:
    for address in part(obj, "status", "addresses") or ():
        if address.get("type") == kind:
            return str(address.get("address", ""))
    return NONE


def balancer_addresses(obj: Obj) -> str:
    """Return the addresses in `status.loadBalancer`, sorted."""
    ingresses = part(obj, "status", "loadBalancer", "ingress") or ()
    return ",".join(sorted({text for i in ingresses if (text := i.get("ip") or i.get("hostname"))}))


def _external_ip(obj: Obj) -> str:
    spec = part(obj, "spec")
    kind, addresses = spec.get("type"), spec.get("externalIPs") or []
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind == "LoadBalancer":
        found = balancer_addresses(obj)
        return ",".join([*([found] if found else []), *addresses]) or "<pending>"
    return (",".join(addresses) or NONE) if kind in ("ClusterIP", "NodePort") else UNKNOWN


def _service_port(port: Obj) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{node_port}/{port.get('protocol', '')}"


def _service(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    ports = ",".join(map(_service_port, spec.get("ports") or ()))
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or NONE]
    return [
        name(obj),
        spec.get("type", ""),
        addresses[0],
        _external_ip(obj),
        ports or NONE,
        age(obj, now),
        format_labels(spec.get("selector")),
    ]


def _endpoints(obj: Obj, now: datetime) -> list[Any]:
    subsets = obj.get("subsets") or ()
    shown = [
        _joined(address.get("ip", ""), port)
        for subset in subsets
        for port in subset.get("ports") or [None]
        for address in subset.get("addresses") or ()
    ]
    return [name(obj), with_more(shown, "") if subsets else NONE, age(obj, now)]


def _joined(address: str, port: Obj | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port.get('port')}" if ":" in address else f"{address}:{port.get('port')}"


def _secret(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


def _configmap(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def _serviceaccount(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("secrets") or ()), age(obj, now)]


def event_cells(event: Obj, now: datetime) -> list[Any]:
    """Return the row of an Event of the core group; that of events.k8s.io is translated before."""
    series = event.get("series")
    first = since(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = since(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = event.get("count") or 1
    if series:
        last, count = since(series.get("lastObservedTime"), now), series.get("count", 0)
    target = event.get("involvedObject") or {}
    kind = target.get("kind", "").lower()
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{target['name']}" if target.get("name") else kind,
        target.get("fieldPath", ""),
        _source(event),
        (event.get("message") or "").strip(),
        first,
        count,
        name(event),
    ]


def _source(event: Obj) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return ", ".join(text for text in (component, host) if text)


def _replicationcontroller(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    return [
        name(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        *template_cells(obj),
        format_labels(spec.get("selector")),
    ]


def _podtemplate(obj: Obj, now: datetime) -> list[Any]:
    labels = part(obj, "template", "metadata").get("labels")
    return [name(obj), *container_cells(part(obj, "template", "spec")), format_labels(labels)]


def access_modes(modes: list[str] | None) -> str:
    """Return `RWO,RWX`, in upstream's order."""
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _storage_class(obj: Obj) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(_CLASS_ANNOTATION) or part(obj, "spec").get("storageClassName") or "")


def _phase(obj: Obj) -> str:
    deleting = "deletionTimestamp" in obj["metadata"]
    return "Terminating" if deleting else str(part(obj, "status").get("phase", ""))


def _persistentvolume(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    claim = spec.get("claimRef")
    return [
        name(obj),
        part(spec, "capacity").get("storage", "0"),
        access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _storage_class(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        part(obj, "status").get("reason", ""),
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]


def _persistentvolumeclaim(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    bound = bool(spec.get("volumeName"))
    return [
        name(obj),
        _phase(obj),
        spec.get("volumeName", ""),
        part(status, "capacity").get("storage", "0") if bound else "",
        access_modes(status.get("accessModes")) if bound else "",
        _storage_class(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]


def _resourcequota(obj: Obj, now: datetime) -> list[Any]:
    status = part(obj, "status")
    used, hard = status.get("used") or {}, status.get("hard") or {}
    requests: list[str] = []
    limits: list[str] = []
    for resource in sorted(hard):
        text = f"{resource}: {used.get(resource, '0')}/{hard[resource]}"
        (limits if resource.startswith("limits.") else requests).append(text)
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


LAYOUTS: dict[str, Layout] = {
    "pods": POD,
    "namespaces": layout("Name, Status, Age", _namespace),
    "nodes": layout(
        "Name, Status, Roles, Age, Version, Internal-IP*, External-IP*, OS-Image*, Kernel-Version*, "
        "Container-Runtime*",
        _node,
    ),
    "services": layout("Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector*", _service),
    "endpoints": layout("Name, Endpoints, Age", _endpoints),
    "secrets": layout("Name, Type, Data, Age", _secret),
    "configmaps": layout("Name, Data, Age", _configmap),
    "serviceaccounts": layout("Name, Secrets, Age", _serviceaccount),
    "events": layout(
        "Last Seen, Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*, Name*",
        event_cells,
    ),
    "replicationcontrollers": layout(
        "Name, Desired:integer, Current:integer, Ready:integer, Age, Containers*, Images*, Selector*",
        _replicationcontroller,
    ),
    "podtemplates": layout("Name, Containers, Images, Pod Labels", _podtemplate),
    "persistentvolumes": layout(
        "Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass, "
        "Reason, Age, VolumeMode*",
        _persistentvolume,
    ),
    "persistentvolumeclaims": layout(
        "Name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, VolumeMode*",
        _persistentvolumeclaim,
    ),
    "resourcequotas": layout("Name, Request, Limit, Age", _resourcequota),
}
