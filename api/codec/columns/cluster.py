"""Rows of the other groups: networking, RBAC, storage, admission, certificates, scheduling, flow control...

Source: pkg/printers/internalversion/printers.go (1.36).
"""

from datetime import datetime, timedelta
from typing import Any

from api.codec.columns.core import balancer_addresses, event_cells
from api.codec.columns.layout import (
    NONE,
    UNKNOWN,
    UNSET,
    Layout,
    age,
    condition_status,
    format_selector,
    human_duration,
    layout,
    name,
    part,
    with_more,
)
from api.resource import Obj

_DEFAULT_CLASSES = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _event(obj: Obj, now: datetime) -> list[Any]:
    """Return the row of an Event of events.k8s.io: the same event under newer names."""
    core = {
        **obj,
        "involvedObject": obj.get("regarding") or {},
        "message": obj.get("note", ""),
        "source": obj.get("deprecatedSource") or {},
        "firstTimestamp": obj.get("deprecatedFirstTimestamp"),
        "lastTimestamp": obj.get("deprecatedLastTimestamp"),
        "count": obj.get("deprecatedCount", 0),
        "reportingComponent": obj.get("reportingController", ""),
    }
    return event_cells(core, now)


def _ingress(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    rules = spec.get("rules") or []
    hosts = [rule["host"] for rule in rules[:3] if rule.get("host")]
    shown = ",".join(hosts) or "*"
    if hosts and len(rules) > 3:
        shown = f"{shown} + {len(rules) - 3} more..."
    ports = "80, 443" if spec.get("tls") else "80"
    return [
        name(obj),
        spec.get("ingressClassName") or NONE,
        shown,
        balancer_addresses(obj),
        ports,
        age(obj, now),
    ]


def _ingressclass(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    parameters = spec.get("parameters")
    shown = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    return [name(obj), spec.get("controller", ""), shown, age(obj, now)]


def _networkpolicy(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), format_selector(part(obj, "spec").get("podSelector")), age(obj, now)]


def _servicecidr(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), ",".join(part(obj, "spec").get("cidrs") or ()), age(obj, now)]


def _ipaddress(obj: Obj, now: datetime) -> list[Any]:
    parent = part(obj, "spec").get("parentRef")
    if not parent:
        return [name(obj), NONE]
    resource = ".".join(text for text in (parent.get("resource", ""), parent.get("group", "")) if text)
    steps = (resource.lower(), parent.get("namespace", ""), parent.get("name", ""))
    return [name(obj), "/".join(text for text in steps if text)]


def _slice_port(port: Obj) -> str:
    return str(port["port"]) if "port" in port else port.get("name") or "*"


def _endpointslice(obj: Obj, now: datetime) -> list[Any]:
    addresses = [text for endpoint in obj.get("endpoints") or () for text in endpoint.get("addresses") or ()]
    return [
        name(obj),
        obj.get("addressType", ""),
        with_more(map(_slice_port, obj.get("ports") or ()), UNSET),
        with_more(addresses, UNSET),
        age(obj, now),
    ]


def _created(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), obj["metadata"].get("creationTimestamp") or UNKNOWN]


def _binding(obj: Obj, now: datetime) -> list[Any]:
    role = obj.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        text = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            text = f"{subject.get('namespace', '')}/{text}"
        by_kind.setdefault(subject.get("kind", ""), []).append(text)
    users, groups, accounts = (", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount"))
    return [
        name(obj),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(obj, now),
        users,
        groups,
        accounts,
    ]


def _request(obj: Obj, now: datetime) -> list[Any]:
    spec, status = part(obj, "spec"), part(obj, "status")
    kinds = {condition.get("type") for condition in status.get("conditions") or ()}
    words = ["Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"]
    if "Failed" in kinds:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    seconds = spec.get("expirationSeconds")
    length = NONE if seconds is None else human_duration(timedelta(seconds=seconds))
    return [
        name(obj),
        age(obj, now),
        spec.get("signerName", ""),
        spec.get("username", ""),
        length,
        ",".join(words),
    ]


def _lease(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), part(obj, "spec").get("holderIdentity", ""), age(obj, now)]


def _storageclass(obj: Obj, now: datetime) -> list[Any]:
    annotations = obj["metadata"].get("annotations") or {}
    default = any(annotations.get(key) == "true" for key in _DEFAULT_CLASSES)
    return [
        f"{name(obj)} (default)" if default else name(obj),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _attributesclass(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), obj.get("driverName", ""), age(obj, now)]


def _attachment(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    return [
        name(obj),
        spec.get("attacher", ""),
        part(spec, "source").get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool(part(obj, "status").get("attached")),
        age(obj, now),
    ]


def _csinode(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), len(part(obj, "spec").get("drivers") or ()), age(obj, now)]


def _csidriver(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    requests = spec.get("tokenRequests")
    audiences = UNSET if requests is None else ",".join(request.get("audience", "") for request in requests)
    return [
        name(obj),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        audiences,
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, now),
    ]


def _capacity(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), obj.get("storageClassName", ""), str(obj.get("capacity") or UNSET)]


def _webhooks(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def _policy(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    kind = spec.get("paramKind")
    shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
    return [name(obj), len(spec.get("validations") or spec.get("mutations") or ()), shown, age(obj, now)]


def _policybinding(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    reference = spec.get("paramRef") or {}
    shown = f"{reference.get('namespace') or '*'}/{reference['name']}" if reference.get("name") else UNSET
    return [name(obj), spec.get("policyName", ""), shown, age(obj, now)]


def _podgroup(obj: Obj, now: datetime) -> list[Any]:
    policy = part(obj, "spec", "schedulingPolicy")
    gang = policy.get("gang")
    shown = f"gang of {gang.get('minCount', 0)}" if gang is not None else next(iter(policy), NONE)
    return [name(obj), shown, condition_status(obj, "PodGroupScheduled"), age(obj, now)]


def _workload(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    controller = spec.get("controllerRef") or {}
    shown = f"{controller.get('kind', '')}/{controller.get('name', '')}" if controller else NONE
    templates = [template.get("name", "") for template in spec.get("podGroupTemplates") or ()]
    return [name(obj), with_more(templates, NONE), shown, age(obj, now)]


def _priorityclass(obj: Obj, now: datetime) -> list[Any]:
    return [
        name(obj),
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]


def _runtimeclass(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), obj.get("handler", ""), age(obj, now)]


def _flowschema(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    dangling = [
        c.get("status") for c in part(obj, "status", "conditions") or () if c.get("type") == "Dangling"
    ]
    return [
        name(obj),
        part(spec, "priorityLevelConfiguration").get("name", ""),
        spec.get("matchingPrecedence", 0),
        part(spec, "distinguisherMethod").get("type") or NONE,
        age(obj, now),
        dangling[0] if dangling else "?",
    ]


def _prioritylevel(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    limited = part(spec, "limited") or part(spec, "exempt")
    queuing = part(limited, "limitResponse", "queuing")
    return [
        name(obj),
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        queuing.get("queues", NONE),
        queuing.get("handSize", NONE),
        queuing.get("queueLengthLimit", NONE),
        age(obj, now),
    ]


def _claim(obj: Obj, now: datetime) -> list[Any]:
    status = part(obj, "status")
    words = ["allocated"] if status.get("allocation") else []
    if status.get("reservedFor"):
        words.append("reserved")
    if "deletionTimestamp" in obj["metadata"]:
        words.insert(0, "deleted")
    return [name(obj), ",".join(words) or "pending", age(obj, now)]


def _aged(obj: Obj, now: datetime) -> list[Any]:
    return [name(obj), age(obj, now)]


def _slice(obj: Obj, now: datetime) -> list[Any]:
    spec = part(obj, "spec")
    pool = part(spec, "pool").get("name", "")
    return [name(obj), spec.get("nodeName") or NONE, spec.get("driver", ""), pool, age(obj, now)]


def _apiservice(obj: Obj, now: datetime) -> list[Any]:
    service = part(obj, "spec").get("service")
    shown = "Unknown"
    for condition in part(obj, "status", "conditions") or ():
        if condition.get("type") == "Available":
            shown = condition.get("status", "")
            if shown != "True":
                shown = f"{shown} ({condition.get('reason', '')})"
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    return [name(obj), where, shown, age(obj, now)]


# What is shown of kinds without columns of their own, and of custom resources that name none.
CREATED = layout("Name, Created At:date", _created)
_BINDING = layout("Name, Role, Age, Users*, Groups*, ServiceAccounts*", _binding)
_WEBHOOKS = layout("Name, Webhooks:integer, Age", _webhooks)
_POLICY_BINDING = layout("Name, PolicyName, ParamRef, Age", _policybinding)

GROUPS: dict[str, dict[str, Layout]] = {
    "events.k8s.io": {
        "events": layout(
            "Last Seen, Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*, Name*",
            _event,
        ),
    },
    "networking.k8s.io": {
        "ingresses": layout("Name, Class, Hosts, Address, Ports, Age", _ingress),
        "ingressclasses": layout("Name, Controller, Parameters, Age", _ingressclass),
        "networkpolicies": layout("Name, Pod-Selector, Age", _networkpolicy),
        "servicecidrs": layout("Name, CIDRs, Age", _servicecidr),
        "ipaddresses": layout("Name, ParentRef", _ipaddress),
    },
    "discovery.k8s.io": {
        "endpointslices": layout("Name, AddressType, Ports, Endpoints, Age", _endpointslice),
    },
    "rbac.authorization.k8s.io": {"rolebindings": _BINDING, "clusterrolebindings": _BINDING},
    "certificates.k8s.io": {
        "certificatesigningrequests": layout(
            "Name, Age, SignerName, Requestor, RequestedDuration, Condition", _request
        ),
    },
    "coordination.k8s.io": {"leases": layout("Name, Holder, Age", _lease)},
    "storage.k8s.io": {
        "storageclasses": layout(
            "Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age", _storageclass
        ),
        "volumeattributesclasses": layout("Name, DriverName, Age", _attributesclass),
        "volumeattachments": layout("Name, Attacher, PV, Node, Attached:boolean, Age", _attachment),
        "csinodes": layout("Name, Drivers:integer, Age", _csinode),
        "csidrivers": layout(
            "Name, AttachRequired:boolean, PodInfoOnMount:boolean, StorageCapacity:boolean, TokenRequests, "
            "RequiresRepublish:boolean, Modes, Age",
            _csidriver,
        ),
        "csistoragecapacities": layout("Name, StorageClassName, Capacity", _capacity),
    },
    "admissionregistration.k8s.io": {
        "mutatingwebhookconfigurations": _WEBHOOKS,
        "validatingwebhookconfigurations": _WEBHOOKS,
        "validatingadmissionpolicies": layout("Name, Validations:integer, ParamKind, Age", _policy),
        "mutatingadmissionpolicies": layout("Name, Mutations:integer, ParamKind, Age", _policy),
        "validatingadmissionpolicybindings": _POLICY_BINDING,
        "mutatingadmissionpolicybindings": _POLICY_BINDING,
    },
    "scheduling.k8s.io": {
        "podgroups": layout("Name, Policy, Scheduled, Age", _podgroup),
        "workloads": layout("Name, Templates, Controller, Age", _workload),
        "priorityclasses": layout(
            "Name, Value:integer, Global-Default:boolean, Age, PreemptionPolicy", _priorityclass
        ),
    },
    "node.k8s.io": {"runtimeclasses": layout("Name, Handler, Age", _runtimeclass)},
    "flowcontrol.apiserver.k8s.io": {
        "flowschemas": layout(
            "Name, PriorityLevel, MatchingPrecedence:integer, DistinguisherMethod, Age, MissingPL",
            _flowschema,
        ),
        "prioritylevelconfigurations": layout(
            "Name, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age", _prioritylevel
        ),
    },
    "resource.k8s.io": {
        "deviceclasses": layout("Name, Age", _aged),
        "resourceclaims": layout("Name, State, Age", _claim),
        "resourceclaimtemplates": layout("Name, Age", _aged),
        "resourceslices": layout("Name, Node, Driver, Pool, Age", _slice),
    },
    "apiregistration.k8s.io": {"apiservices": layout("Name, Service, Available, Age", _apiservice)},
}
