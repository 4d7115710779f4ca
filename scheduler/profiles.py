"""The default plugins, in upstream's order and with its weights. Source: pkg/scheduler/apis/config/v1
default_plugins.go.
"""

from scheduler.framework import Profile
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration


def default_profile(name: str = "default-scheduler") -> Profile:
    taints, affinity, fit = TaintToleration(), NodeAffinity(), NodeResourcesFit()
    spread, near = PodTopologySpread(), InterPodAffinity()
    return Profile(
        name,
        pre_enqueues=(SchedulingGates(),),
        filters=(NodeUnschedulable(), NodeName(), taints, affinity, NodePorts(), fit, spread, near),
        scores=(
            (taints, 3),
            (affinity, 2),
            (spread, 2),
            (near, 2),
            (fit, 1),
            (NodeResourcesBalancedAllocation(), 1),
            (ImageLocality(), 1),
        ),
    )
