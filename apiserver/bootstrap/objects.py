"""Every object that a cluster has from the start, apart from the `kubernetes` Service's endpoints. Pure.

Called by `reconcile.py`. Source: pkg/controlplane, pkg/registry/{rbac,scheduling}/rest (1.36).
"""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import orjson

from api.catalog import ALL
from api.flowcontrol import bootstrap
from api.resource import Obj, Resource
from api.types.apiregistration_v1 import APISERVICES
from api.types.core_v1 import CONFIGMAPS, NAMESPACES, SERVICES
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from api.types.networking_v1 import SERVICECIDRS
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from api.types.scheduling_v1 import PRIORITYCLASSES
from apiserver.aggregation import registered
from apiserver.bootstrap import controller_policy, policy
from apiserver.features import PLAIN, Features

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True)
class Settings:
    """What differs between clusters. Certificates are PEM text, "" for none."""

    service_cidr: str
    advertise_address: str
    secure_port: int
    client_ca: str = ""
    requestheader_ca: str = ""
    requestheader_names: tuple[str, ...] = ()
    features: Features = PLAIN


@dataclass(frozen=True)
class Wanted:
    """An object that must exist."""

    resource: Resource[Any]
    namespace: str
    object: Obj

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


def namespaces() -> list[Wanted]:
    """Return the namespaces, which must exist before what is in them."""
    return [
        Wanted(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for name in SYSTEM_NAMESPACES
    ]


def rbac(features: Features = PLAIN) -> list[Wanted]:
    """Return the default policy."""
    cluster_roles = [*policy.cluster_roles(features), *controller_policy.controller_roles(features)]
    bindings = [*policy.cluster_role_bindings(), *controller_policy.controller_role_bindings(features)]
    return [
        *(Wanted(CLUSTERROLES, "", obj) for obj in cluster_roles),
        *(Wanted(CLUSTERROLEBINDINGS, "", obj) for obj in bindings),
        *(_namespaced(ROLES, obj) for obj in controller_policy.namespace_roles()),
        *(_namespaced(ROLEBINDINGS, obj) for obj in controller_policy.namespace_role_bindings()),
    ]


def rest(settings: Settings) -> list[Wanted]:
    """Return everything else."""
    return [
        *(Wanted(PRIORITYCLASSES, "", obj) for obj in _priority_classes()),
        *flow_control(),
        *api_services(settings.features),
        Wanted(SERVICECIDRS, "", _service_cidr(settings)),
        Wanted(SERVICES, "default", kubernetes_service(settings)),
        Wanted(CONFIGMAPS, "kube-system", authentication_configmap(settings)),
    ]


def api_services(features: Features = PLAIN) -> list[Wanted]:
    """Return the APIServices of the built-in groups."""
    served = [item for item in ALL if features.serves(item)]
    return [Wanted(APISERVICES, "", obj) for obj in registered.builtin(served)]


def flow_control() -> list[Wanted]:
    """Return the mandatory and the suggested configuration of priority and fairness."""
    return [
        *(Wanted(PRIORITYLEVELCONFIGURATIONS, "", obj) for obj in bootstrap.priority_levels()),
        *(Wanted(FLOWSCHEMAS, "", obj) for obj in bootstrap.flow_schemas()),
    ]


def _namespaced(resource: Resource[Any], obj: Obj) -> Wanted:
    return Wanted(resource, obj["metadata"]["namespace"], obj)


def _priority_classes() -> list[Obj]:
    words = {
        "system-node-critical": (
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        "system-cluster-critical": (
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node "
            "if necessary.",
        ),
    }
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": text,
        }
        for name, (value, text) in words.items()
    ]


def _service_cidr(settings: Settings) -> Obj:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [settings.service_cidr]},
    }


def service_address(service_cidr: str) -> str:
    """Return the address of the `kubernetes` Service: the first of the range."""
    return str(ip_network(service_cidr)[1])


def kubernetes_service(settings: Settings) -> Obj:
    """Return the Service under which pods find the API."""
    address = service_address(settings.service_cidr)
    family = "IPv6" if ":" in address else "IPv4"
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": settings.secure_port}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [family],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [port],
        },
    }


def authentication_configmap(settings: Settings) -> Obj:
    """Return what extension API servers need to believe our users and our proxied requests."""
    data: dict[str, str] = {}
    if settings.client_ca:
        data["client-ca-file"] = settings.client_ca
    if settings.requestheader_ca:
        data |= {
            "requestheader-client-ca-file": settings.requestheader_ca,
            "requestheader-allowed-names": orjson.dumps(list(settings.requestheader_names)).decode(),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
