"""The fields of a KubeSchedulerConfiguration and of the arguments of plugins, as
kubescheduler.config.k8s.io/v1 has them.

Source: staging/src/k8s.io/kube-scheduler/config/v1, k8s.io/component-base/config/v1alpha1 (1.36).
"""

from collections.abc import Mapping

from scheduler.configuration.decode import Core, Many, Scalar, Shape, Struct
from scheduler.configuration.model import EXTENSION_POINTS, MULTI_POINT

GROUP_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
_TEXT, _BOOL, _INT32, _INT64 = Scalar.TEXT, Scalar.BOOL, Scalar.INT32, Scalar.INT64
_TYPE: Mapping[str, Shape] = {"apiVersion": _TEXT, "kind": _TEXT}

_PLUGIN_SET = Struct(
    "PluginSet",
    {
        "enabled": Many(Struct("Plugin", {"name": _TEXT, "weight": _INT32})),
        "disabled": Many(Struct("Plugin", {"name": _TEXT, "weight": _INT32})),
    },
)
_PROFILE = Struct(
    "KubeSchedulerProfile",
    {
        "schedulerName": _TEXT,
        "percentageOfNodesToScore": _INT32,
        "plugins": Struct("Plugins", dict.fromkeys((*EXTENSION_POINTS, MULTI_POINT), _PLUGIN_SET)),
        "pluginConfig": Many(Struct("PluginConfig", {"name": _TEXT, "args": Scalar.ANY})),
    },
)
_EXTENDER = Struct(
    "Extender",
    {
        "urlPrefix": _TEXT,
        "filterVerb": _TEXT,
        "preemptVerb": _TEXT,
        "prioritizeVerb": _TEXT,
        "weight": _INT64,
        "bindVerb": _TEXT,
        "enableHTTPS": _BOOL,
        "tlsConfig": Struct(
            "ExtenderTLSConfig",
            {
                "insecure": _BOOL,
                "serverName": _TEXT,
                "certFile": _TEXT,
                "keyFile": _TEXT,
                "caFile": _TEXT,
                "certData": Scalar.BYTES,
                "keyData": Scalar.BYTES,
                "caData": Scalar.BYTES,
            },
        ),
        "httpTimeout": Scalar.DURATION,
        "nodeCacheCapable": _BOOL,
        "managedResources": Many(
            Struct("ExtenderManagedResource", {"name": _TEXT, "ignoredByScheduler": _BOOL})
        ),
        "ignorable": _BOOL,
    },
)
CONFIGURATION = Struct(
    KIND,
    {
        **_TYPE,
        "parallelism": _INT32,
        "leaderElection": Struct(
            "LeaderElectionConfiguration",
            {
                "leaderElect": _BOOL,
                "leaseDuration": Scalar.DURATION,
                "renewDeadline": Scalar.DURATION,
                "retryPeriod": Scalar.DURATION,
                "resourceLock": _TEXT,
                "resourceName": _TEXT,
                "resourceNamespace": _TEXT,
            },
        ),
        "clientConnection": Struct(
            "ClientConnectionConfiguration",
            {
                "kubeconfig": _TEXT,
                "acceptContentTypes": _TEXT,
                "contentType": _TEXT,
                "qps": Scalar.FLOAT,
                "burst": _INT32,
            },
        ),
        "enableProfiling": _BOOL,
        "enableContentionProfiling": _BOOL,
        "percentageOfNodesToScore": _INT32,
        "podInitialBackoffSeconds": _INT64,
        "podMaxBackoffSeconds": _INT64,
        "profiles": Many(_PROFILE),
        "extenders": Many(_EXTENDER),
        "delayCacheUntilActive": _BOOL,
    },
)

_POINTS = Many(Struct("UtilizationShapePoint", {"utilization": _INT32, "score": _INT32}))
_RESOURCES = Many(Struct("ResourceSpec", {"name": _TEXT, "weight": _INT64}))
_STRATEGY = Struct(
    "ScoringStrategy",
    {
        "type": _TEXT,
        "resources": _RESOURCES,
        "requestedToCapacityRatio": Struct("RequestedToCapacityRatioParam", {"shape": _POINTS}),
    },
)
_ARGUMENTS: Mapping[str, Mapping[str, Shape]] = {
    "DefaultPreemption": {"minCandidateNodesPercentage": _INT32, "minCandidateNodesAbsolute": _INT32},
    "DynamicResources": {"filterTimeout": Scalar.DURATION, "bindingTimeout": Scalar.DURATION},
    "InterPodAffinity": {"hardPodAffinityWeight": _INT32, "ignorePreferredTermsOfExistingPods": _BOOL},
    "NodeAffinity": {"addedAffinity": Core("NodeAffinity")},
    "NodeResourcesBalancedAllocation": {"resources": _RESOURCES},
    "NodeResourcesFit": {
        "ignoredResources": Many(_TEXT),
        "ignoredResourceGroups": Many(_TEXT),
        "scoringStrategy": _STRATEGY,
    },
    "PodTopologySpread": {
        "defaultConstraints": Many(Core("TopologySpreadConstraint")),
        "defaultingType": _TEXT,
    },
    "VolumeBinding": {"bindTimeoutSeconds": _INT64, "shape": _POINTS},
}
# By the plugin's name.
ARGUMENTS: Mapping[str, Struct] = {
    name: Struct(f"{name}Args", {**_TYPE, **fields}) for name, fields in _ARGUMENTS.items()
}
