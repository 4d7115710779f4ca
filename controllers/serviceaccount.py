"""serviceaccount-controller: every namespace has a ServiceAccount `default`.

Source: pkg/controller/serviceaccount/serviceaccounts_controller.go (1.36).
"""

from datetime import datetime

from api.types.core_v1 import NAMESPACES, SERVICEACCOUNTS, Namespace
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Create, Plan
from controllers.furnishing import is_terminating, namespace_of

NAME = "default"


@controller(
    "serviceaccount-controller",
    of=NAMESPACES,
    watches={SERVICEACCOUNTS: namespace_of},
    only={SERVICEACCOUNTS: f"metadata.name={NAME}"},
)
def serviceaccount(namespace: Namespace, view: View, now: datetime) -> Plan:
    name = namespace["metadata"]["name"]
    if is_terminating(namespace) or view.get(SERVICEACCOUNTS, name, NAME) is not None:
        return NOTHING
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}}
    return Plan((Create(SERVICEACCOUNTS, account, name),))
