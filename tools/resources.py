"""The table of built-in resources: what `tools/gen_types.py` turns into `Resource` tokens.

One line per resource, in the order of discovery. Names, short names and categories are those of
`kubectl api-resources` against 1.36. Source: pkg/registry/<group>/<resource>/storage.
"""

from dataclasses import dataclass

ALL = ("all",)
EXTENSIONS = ("api-extensions",)
CREATE_ONLY = ("create",)
READ_ONLY = ("get", "list")
# Namespaces go one by one: upstream has no deletecollection for them.
NO_COLLECTION = ("create", "delete", "get", "list", "patch", "update", "watch")
STATUS = ("status",)
SCALED = ("scale", "status")


@dataclass(frozen=True)
class Row:
    """One resource; `definition` is the OpenAPI name of its kind."""

    definition: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


_POD = (
    "attach",
    "binding",
    "decision",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "resize",
)


def _cluster(
    definition: str,
    plural: str,
    short_names: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    verbs: tuple[str, ...] = (),
) -> Row:
    return Row(definition, plural, short_names, False, subresources, categories, verbs)


# Group -> its name in OpenAPI definitions and rows per version, in the order of the group's priority.
TABLE: dict[str, dict[str, tuple[Row, ...]]] = {
    "": {
        "v1": (
            Row("Binding", "bindings", verbs=CREATE_ONLY),
            _cluster("ComponentStatus", "componentstatuses", ("cs",), verbs=READ_ONLY),
            Row("ConfigMap", "configmaps", ("cm",)),
            Row("Endpoints", "endpoints", ("ep",)),
            Row("Event", "events", ("ev",)),
            Row("LimitRange", "limitranges", ("limits",)),
            _cluster("Namespace", "namespaces", ("ns",), ("finalize", "status"), verbs=NO_COLLECTION),
            _cluster("Node", "nodes", ("no",), ("proxy", "status")),
            Row("PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), subresources=STATUS),
            _cluster("PersistentVolume", "persistentvolumes", ("pv",), STATUS),
            Row("Pod", "pods", ("po",), subresources=(*_POD, "status"), categories=ALL),
            Row("PodTemplate", "podtemplates"),
            Row("ReplicationController", "replicationcontrollers", ("rc",), True, SCALED, ALL),
            Row("ResourceQuota", "resourcequotas", ("quota",), subresources=STATUS),
            Row("Secret", "secrets"),
            Row("ServiceAccount", "serviceaccounts", ("sa",), subresources=("token",)),
            Row("Service", "services", ("svc",), subresources=("proxy", "status"), categories=ALL),
        )
    },
    "apiregistration.k8s.io": {
        "v1": (_cluster("APIService", "apiservices", (), STATUS, EXTENSIONS),),
    },
    "apps": {
        "v1": (
            Row("ControllerRevision", "controllerrevisions"),
            Row("DaemonSet", "daemonsets", ("ds",), subresources=STATUS, categories=ALL),
            Row("Deployment", "deployments", ("deploy",), subresources=SCALED, categories=ALL),
            Row("ReplicaSet", "replicasets", ("rs",), subresources=SCALED, categories=ALL),
            Row("StatefulSet", "statefulsets", ("sts",), subresources=SCALED, categories=ALL),
        )
    },
    "events.k8s.io": {"v1": (Row("Event", "events", ("ev",)),)},
    "authentication.k8s.io": {
        "v1": (
            _cluster("SelfSubjectReview", "selfsubjectreviews", verbs=CREATE_ONLY),
            _cluster("TokenReview", "tokenreviews", verbs=CREATE_ONLY),
        )
    },
    "authorization.k8s.io": {
        "v1": (
            Row("LocalSubjectAccessReview", "localsubjectaccessreviews", verbs=CREATE_ONLY),
            _cluster("SelfSubjectAccessReview", "selfsubjectaccessreviews", verbs=CREATE_ONLY),
            _cluster("SelfSubjectRulesReview", "selfsubjectrulesreviews", verbs=CREATE_ONLY),
            _cluster("SubjectAccessReview", "subjectaccessreviews", verbs=CREATE_ONLY),
        )
    },
    "autoscaling": {
        "v2": (Row("HorizontalPodAutoscaler", "horizontalpodautoscalers", ("hpa",), True, STATUS, ALL),),
        "v1": (Row("HorizontalPodAutoscaler", "horizontalpodautoscalers", ("hpa",), True, STATUS, ALL),),
    },
    "batch": {
        "v1": (
            Row("CronJob", "cronjobs", ("cj",), subresources=STATUS, categories=ALL),
            Row("Job", "jobs", subresources=STATUS, categories=ALL),
        )
    },
    "certificates.k8s.io": {
        "v1": (
            _cluster(
                "CertificateSigningRequest", "certificatesigningrequests", ("csr",), ("approval", "status")
            ),
        )
    },
    "networking.k8s.io": {
        "v1": (
            _cluster("IngressClass", "ingressclasses"),
            Row("Ingress", "ingresses", ("ing",), subresources=STATUS),
            _cluster("IPAddress", "ipaddresses", ("ip",)),
            Row("NetworkPolicy", "networkpolicies", ("netpol",)),
            _cluster("ServiceCIDR", "servicecidrs", (), STATUS),
        )
    },
    "policy": {"v1": (Row("PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), subresources=STATUS),)},
    "rbac.authorization.k8s.io": {
        "v1": (
            _cluster("ClusterRoleBinding", "clusterrolebindings"),
            _cluster("ClusterRole", "clusterroles"),
            Row("RoleBinding", "rolebindings"),
            Row("Role", "roles"),
        )
    },
    "storage.k8s.io": {
        "v1": (
            _cluster("CSIDriver", "csidrivers"),
            _cluster("CSINode", "csinodes"),
            Row("CSIStorageCapacity", "csistoragecapacities"),
            _cluster("StorageClass", "storageclasses", ("sc",)),
            _cluster("VolumeAttachment", "volumeattachments", (), STATUS),
            _cluster("VolumeAttributesClass", "volumeattributesclasses", ("vac",)),
        )
    },
    "admissionregistration.k8s.io": {
        "v1": (
            _cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies", (), (), EXTENSIONS),
            _cluster("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", (), (), EXTENSIONS),
            _cluster("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", (), (), EXTENSIONS),
            _cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies", (), STATUS, EXTENSIONS),
            _cluster(
                "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", (), (), EXTENSIONS
            ),
            _cluster("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", (), (), EXTENSIONS),
        )
    },
    "apiextensions.k8s.io": {
        "v1": (
            _cluster(
                "CustomResourceDefinition", "customresourcedefinitions", ("crd", "crds"), STATUS, EXTENSIONS
            ),
        )
    },
    "scheduling.k8s.io": {
        "v1": (_cluster("PriorityClass", "priorityclasses", ("pc",)),),
        # Alpha: off by default, see `apiserver/features.py`.
        "v1alpha2": (Row("PodGroup", "podgroups", subresources=STATUS), Row("Workload", "workloads")),
    },
    "coordination.k8s.io": {"v1": (Row("Lease", "leases"),)},
    "node.k8s.io": {"v1": (_cluster("RuntimeClass", "runtimeclasses"),)},
    "discovery.k8s.io": {"v1": (Row("EndpointSlice", "endpointslices"),)},
    "flowcontrol.apiserver.k8s.io": {
        "v1": (
            _cluster("FlowSchema", "flowschemas", (), STATUS),
            _cluster("PriorityLevelConfiguration", "prioritylevelconfigurations", (), STATUS),
        )
    },
    "resource.k8s.io": {
        "v1": (
            _cluster("DeviceClass", "deviceclasses"),
            Row("ResourceClaim", "resourceclaims", subresources=STATUS),
            Row("ResourceClaimTemplate", "resourceclaimtemplates"),
            _cluster("ResourceSlice", "resourceslices"),
        )
    },
}

# Python module of a group's shapes: the group's short OpenAPI name, where it is not its first label.
MODULES = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
}


def module_of(group: str, version: str) -> str:
    """`core_v1`, `apps_v1`, `rbac_v1`: the module that holds a group version's shapes."""
    return f"{MODULES.get(group, group.split('.')[0])}_{version}"
