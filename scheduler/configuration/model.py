"""What a configuration of the scheduler says, after defaults: plain values.

Made by `load`, or by `Configuration()` without a file; turned into what runs by `scheduler.profiles`.
Source: pkg/scheduler/apis/config types.go, k8s.io/component-base/config (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MULTI_POINT = "multiPoint"
# In the order in which upstream fills them.
EXTENSION_POINTS = (
    "preFilter", "filter", "postFilter", "reserve", "preScore", "score", "preBind", "bind", "postBind",
    "permit", "preEnqueue", "queueSort", "placementGenerate", "placementScore",
)  # fmt: skip
DEFAULT_SCHEDULER = "default-scheduler"
# In `pluginConfig`, names files with functions of users. Ours.
PYTHON_PLUGINS = "PythonPlugins"


@dataclass(frozen=True)
class PluginRef:
    """A plugin by name; a weight of 0 means that none was given."""

    name: str
    weight: int = 0


@dataclass(frozen=True)
class PluginSet:
    """What runs at an extension point, and what does not though it would by default (`*`: nothing)."""

    enabled: tuple[PluginRef, ...] = ()
    disabled: tuple[str, ...] = ()


# What runs if nothing is said. Source: apis/config/v1 default_plugins.go.
DEFAULT_PLUGINS = PluginSet(
    (
        PluginRef("SchedulingGates"),
        PluginRef("PrioritySort"),
        PluginRef("NodeUnschedulable"),
        PluginRef("NodeName"),
        PluginRef("TaintToleration", 3),
        PluginRef("NodeAffinity", 2),
        PluginRef("NodePorts"),
        PluginRef("NodeResourcesFit", 1),
        PluginRef("VolumeRestrictions"),
        PluginRef("NodeVolumeLimits"),
        PluginRef("VolumeBinding"),
        PluginRef("VolumeZone"),
        PluginRef("PodTopologySpread", 2),
        PluginRef("InterPodAffinity", 2),
        PluginRef("DynamicResources"),
        PluginRef("DefaultPreemption"),
        PluginRef("NodeResourcesBalancedAllocation", 1),
        PluginRef("ImageLocality", 1),
        PluginRef("DefaultBinder"),
        PluginRef("NodeDeclaredFeatures"),
        # Upstream's gate GangScheduling is always on: without PodGroups the plugin has nothing to do.
        PluginRef("GangScheduling"),
    )
)


@dataclass(frozen=True)
class ProfileConfig:
    """One profile. `plugins` are by extension point, the defaults merged in; `arguments` by plugin, after
    defaults, and as given for plugins that are not upstream's.
    """

    scheduler_name: str = DEFAULT_SCHEDULER
    plugins: Mapping[str, PluginSet] = field(default_factory=lambda: {MULTI_POINT: DEFAULT_PLUGINS})
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def python_files(self) -> tuple[str, ...]:
        """Files with functions of users, for this profile alone."""
        return tuple(self.arguments.get(PYTHON_PLUGINS, {}).get("files") or ())


@dataclass(frozen=True)
class LeaderElection:
    leader_elect: bool = True
    lease_duration_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_period_s: float = 2.0
    resource_lock: str = "leases"
    resource_name: str = "kube-scheduler"
    resource_namespace: str = "kube-system"


@dataclass(frozen=True)
class ManagedResource:
    """An extended resource that an extender accounts for; `ignored`: NodeResourcesFit does not look at it."""

    name: str
    ignored: bool = False


@dataclass(frozen=True)
class ExtenderTLS:
    """PEM data wins over the file of the same name."""

    insecure: bool = False
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    cert_data: bytes = b""
    key_data: bytes = b""
    ca_data: bytes = b""


@dataclass(frozen=True)
class ExtenderConfig:
    """How to speak to an extender. It is not asked for what it has no verb for."""

    url_prefix: str = ""
    filter_verb: str = ""
    preempt_verb: str = ""
    prioritize_verb: str = ""
    bind_verb: str = ""
    weight: int = 0
    enable_https: bool = False
    tls: ExtenderTLS | None = None
    timeout_s: float = 5.0
    node_cache_capable: bool = False
    managed_resources: tuple[ManagedResource, ...] = ()
    ignorable: bool = False


@dataclass(frozen=True)
class Configuration:
    """The whole. `parallelism` and the percentage are accepted, and change nothing: all nodes are scored at
    once.
    """

    profiles: tuple[ProfileConfig, ...] = (ProfileConfig(),)
    extenders: tuple[ExtenderConfig, ...] = ()
    leader_election: LeaderElection = LeaderElection()
    kubeconfig: str = ""
    parallelism: int = 16
    percentage_of_nodes_to_score: int = 0
    pod_initial_backoff_s: int = 1
    pod_max_backoff_s: int = 10
    enable_profiling: bool = True
