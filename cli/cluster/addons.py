"""Objects that a local cluster brings along, made once the API server answers."""

from typing import Any

from cli.cluster.layout import Layout


def compute_addons(layout: Layout) -> list[tuple[str, dict[str, Any]]]:
    """Return (path of the collection, object). Pure.

    Every node answers DNS itself on the service's address (`pelamis dns --claim-address`), so the label tells
    service proxies to keep off. The object keeps the address from being given to another service.
    """
    ports = [
        {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53},
        {"name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 53},
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                "k8s-app": "kube-dns",
                "kubernetes.io/name": "CoreDNS",
                "service.kubernetes.io/service-proxy-name": "pelamis-dns",
            },
        },
        "spec": {"clusterIP": layout.dns_address, "ports": ports},
    }
    return [("/api/v1/namespaces/kube-system/services", service)]
