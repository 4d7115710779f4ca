"""root-ca-certificate-publisher-controller: every namespace has a ConfigMap with the cluster's certificate.

Source: pkg/controller/certificates/rootcacertpublisher (1.36).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.resource import Obj
from api.types.core_v1 import CONFIGMAPS, NAMESPACES, Namespace
from controllers.framework.controller import Controller, View, controller
from controllers.framework.plan import NOTHING, Create, Plan, Update
from controllers.furnishing import is_terminating, namespace_of

NAME = "kube-root-ca.crt"


@dataclass(frozen=True)
class _Publisher:
    certificate: str

    def plan(self, namespace: Namespace, view: View, now: datetime) -> Plan:
        name = namespace["metadata"]["name"]
        if is_terminating(namespace):
            return NOTHING
        present = view.get(CONFIGMAPS, name, NAME)
        wanted = {"ca.crt": self.certificate}
        if present is None:
            made: Obj = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": NAME},
                "data": wanted,
            }
            return Plan((Create(CONFIGMAPS, made, name),))
        if present.get("data") == wanted:
            return NOTHING
        return Plan((Update(CONFIGMAPS, {**present, "data": wanted}),))


def root_ca_certificate_publisher(certificate: str) -> Controller[Any]:
    """Return the controller that publishes a PEM certificate."""
    return controller(
        "root-ca-certificate-publisher-controller",
        of=NAMESPACES,
        watches={CONFIGMAPS: namespace_of},
        only={CONFIGMAPS: f"metadata.name={NAME}"},
    )(_Publisher(certificate).plan)
