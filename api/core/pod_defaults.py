"""Defaults of pods and of everything that is made of a pod template.

Called by `api.core.pod` and by the workload kinds (`default_template`).
Spec: pkg/apis/core/v1/defaults.go and the `+default` markers of core/v1 (1.36).
"""

from typing import Any

from api.defaulting import defaulting, each, struct
from api.podspec import aggregate_requests
from api.quantity import from_milli, milli
from api.resource import Obj

_MODE = {"defaultMode": 420}
# Resources that can be set for a pod as a whole; huge pages by their prefix.
_POD_LEVEL = ("cpu", "memory")


def pull_policy(image: str) -> str:
    """Return the pull policy of an image whose user named none: `Always` for `latest`, named or implied."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _default_pull_policy(obj: Obj) -> Obj:
    return {} if obj.get("imagePullPolicy") else {"imagePullPolicy": pull_policy(obj.get("image", ""))}


def _image_volume_policy(obj: Obj) -> Obj:
    return {} if obj.get("pullPolicy") else {"pullPolicy": pull_policy(obj.get("reference", ""))}


_field_ref = defaulting(empty={"apiVersion": "v1"})
_resource_ref = defaulting(absent={"divisor": "0"})
_downward_item = defaulting(nested={"fieldRef": _field_ref, "resourceFieldRef": _resource_ref})
_http_get = defaulting(empty={"path": "/", "scheme": "HTTP"})
_probe = defaulting(
    empty={"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    nested={"httpGet": _http_get, "grpc": defaulting(absent={"service": ""})},
)
_handler = defaulting(nested={"httpGet": _http_get})
_value_from = defaulting(
    nested={"fieldRef": _field_ref, "resourceFieldRef": _resource_ref,
            "fileKeyRef": defaulting(absent={"optional": False})}
)  # fmt: skip
_env = defaulting(nested={"valueFrom": _value_from})


def _whole_milli(resources: Obj) -> Obj:
    """Round amounts of less than a thousandth up. Spec: SetDefaults_ResourceList (1.36)."""
    for which in ("limits", "requests"):
        for amount in (resources.get(which) or {}).values():
            if isinstance(amount, str) and amount.endswith(("u", "n")):
                return {**resources, **{name: _rounded(resources[name]) for name in ("limits", "requests")
                                        if resources.get(name)}}  # fmt: skip
    return resources


def _rounded(amounts: Obj) -> Obj:
    return {
        name: str(from_milli(milli(amount))) if str(amount).endswith(("u", "n")) else amount
        for name, amount in amounts.items()
    }


default_container = defaulting(
    absent={"resources": {}},
    empty={"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    nested={
        "ports": each(defaulting(empty={"protocol": "TCP"})),
        "livenessProbe": _probe,
        "readinessProbe": _probe,
        "startupProbe": _probe,
        "lifecycle": defaulting(nested={"postStart": _handler, "preStop": _handler}),
        "env": each(_env),
        "resources": _whole_milli,
    },
    rule=_default_pull_policy,
)

_projected_source = defaulting(
    nested={
        "downwardAPI": defaulting(nested={"items": each(_downward_item)}),
        "serviceAccountToken": defaulting(absent={"expirationSeconds": 3600}),
    }
)
_claim_template = defaulting(nested={"spec": defaulting(absent={"volumeMode": "Filesystem"})})

# Defaults of volume sources, by the field that selects the source; persistent volumes share the later ones.
NETWORK_SOURCES = {
    "hostPath": defaulting(absent={"type": ""}),
    "iscsi": defaulting(empty={"iscsiInterface": "default"}),
    "rbd": defaulting(empty={"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
    "scaleIO": defaulting(empty={"storageMode": "ThinProvisioned", "fsType": "xfs"}),
    "azureDisk": defaulting(
        absent={"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"}
    ),
}


def _some_source(volume: Obj) -> Obj:
    return {"emptyDir": {}} if len(volume) == 1 and "name" in volume else {}


_volume = defaulting(
    nested={
        **NETWORK_SOURCES,
        "secret": defaulting(absent=_MODE),
        "configMap": defaulting(absent=_MODE),
        "downwardAPI": defaulting(absent=_MODE, nested={"items": each(_downward_item)}),
        "projected": defaulting(absent=_MODE, nested={"sources": each(_projected_source)}),
        "ephemeral": defaulting(nested={"volumeClaimTemplate": _claim_template}),
        "image": defaulting(rule=_image_volume_policy),
    },
    rule=_some_source,
)


def _account(spec: Obj) -> Obj:
    """The old and the new name of the service account's field say the same; the new one wins."""
    old = spec.get("serviceAccount")
    name = spec.get("serviceAccountName") or old
    return (
        {}
        if not name or (name == old == spec.get("serviceAccountName"))
        else {
            "serviceAccountName": name,
            "serviceAccount": name,
        }
    )


default_spec = defaulting(
    absent={"securityContext": {}, "terminationGracePeriodSeconds": 30},
    empty={"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"},
    nested={
        "containers": each(default_container),
        "initContainers": each(default_container),
        "ephemeralContainers": each(default_container),
        "volumes": each(_volume),
    },
    rule=_account,
)

# For the `template` field of workload kinds.
default_template = defaulting(nested={"spec": struct(default_spec)})


def _requests_from_limits(container: Obj) -> Obj:
    resources: Obj = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return container
    requests = resources.get("requests") or {}
    missing = {name: value for name, value in limits.items() if name not in requests}
    if not missing:
        return container
    return {**container, "resources": {**resources, "requests": {**requests, **missing}}}


def _host_ports(container: Obj) -> Obj:
    ports = container.get("ports")
    if not ports or all(port.get("hostPort") for port in ports):
        return container
    made = [
        port if port.get("hostPort") else {**port, "hostPort": port.get("containerPort", 0)} for port in ports
    ]
    return {**container, "ports": made}


_each_request = each(_requests_from_limits)
_each_host_port = each(_host_ports)


def _pod_requests(spec: Obj) -> Obj:
    """Pod-level requests follow from the containers' requests, then from the pod's own limits."""
    resources = spec["resources"]
    limits = resources.get("limits")
    if not limits:
        return {}
    requests = dict(resources.get("requests") or {})
    for name, quantity in aggregate_requests(spec).items():
        if name in _POD_LEVEL:
            requests.setdefault(name, quantity)
    for name, quantity in limits.items():
        if name in _POD_LEVEL or name.startswith("hugepages-"):
            requests.setdefault(name, quantity)
    return {"resources": {**resources, "requests": requests}}


def default_pod_only(spec: Obj) -> Obj:
    """Fill what is filled in pods but not in templates: requests from limits, host ports, service links."""
    new: Obj = {}
    for name in ("containers", "initContainers"):
        containers: list[Any] | None = spec.get(name)
        if containers:
            made = _each_request(containers)
            if spec.get("hostNetwork"):
                made = _each_host_port(made)
            if made is not containers:
                new[name] = made
    if "enableServiceLinks" not in spec:
        new["enableServiceLinks"] = True
    filled = {**spec, **new} if new else spec
    if "resources" in filled:
        filled = {**filled, **_pod_requests(filled)}
    return filled


def default_pod(pod: Obj) -> Obj:
    """Return the pod with its defaults; the same pod if nothing was missing."""
    spec = pod.get("spec") or {}
    made = default_pod_only(default_spec(spec))
    return pod if made is spec else {**pod, "spec": made}
