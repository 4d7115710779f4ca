"""Plugins made of their arguments, which have their defaults and are checked. Pure.

Called by `scheduler.profiles`; `configuration.arguments` says what the arguments may be.
"""

from typing import Any

from api.core.node_selector import new_node_selector, new_term
from api.labels import NOTHING
from scheduler.allocation import Kind, Strategy
from scheduler.configuration.arguments import MAX_POINT_SCORE, Args
from scheduler.framework import MAX_SCORE
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.dynamic_resources import DynamicResources
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.pod_topology_spread import SYSTEM_DEFAULTS, PodTopologySpread
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.shape import new_spread

_POINT = MAX_SCORE // MAX_POINT_SCORE


def default_preemption(args: Args) -> DefaultPreemption:
    return DefaultPreemption(
        percentage=args["minCandidateNodesPercentage"], least=args["minCandidateNodesAbsolute"]
    )


def dynamic_resources(args: Args) -> DynamicResources:
    return DynamicResources(
        filter_timeout_s=args["filterTimeout"] or 0.0, binding_timeout_s=args["bindingTimeout"]
    )


def inter_pod_affinity(args: Args) -> InterPodAffinity:
    return InterPodAffinity(
        hard_weight=args["hardPodAffinityWeight"], ignore_preferred=args["ignorePreferredTermsOfExistingPods"]
    )


def node_affinity(args: Args) -> NodeAffinity:
    added = args.get("addedAffinity") or {}
    required = added.get("requiredDuringSchedulingIgnoredDuringExecution")
    preferred = added.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return NodeAffinity(
        added=new_node_selector(required) if required is not None else None,
        preferred=tuple(
            (new_term(each.get("preference") or {}), each.get("weight", 0)) for each in preferred
        ),
    )


def node_resources_balanced_allocation(args: Args) -> NodeResourcesBalancedAllocation:
    return NodeResourcesBalancedAllocation(resources=tuple(each["name"] for each in args["resources"]))


def node_resources_fit(args: Args) -> NodeResourcesFit:
    return NodeResourcesFit(
        ignored=frozenset(args.get("ignoredResources") or ()),
        ignored_groups=frozenset(args.get("ignoredResourceGroups") or ()),
        strategy=_strategy(args["scoringStrategy"]),
    )


def _strategy(args: Args) -> Strategy:
    points = (args.get("requestedToCapacityRatio") or {}).get("shape") or ()
    return Strategy(
        Kind(args["type"]),
        tuple((each["name"], each["weight"]) for each in args["resources"]),
        tuple((point.get("utilization", 0), point.get("score", 0) * _POINT) for point in points),
    )


def volume_binding(args: Args) -> VolumeBinding:
    points = args.get("shape") or ()
    return VolumeBinding(
        bind_timeout_s=args["bindTimeoutSeconds"],
        shape=tuple((point.get("utilization", 0), point.get("score", 0) * _POINT) for point in points),
    )


def pod_topology_spread(args: Args) -> PodTopologySpread:
    if args["defaultingType"] == "System":
        return PodTopologySpread(defaults=SYSTEM_DEFAULTS)
    # The selectors are found for each pod.
    constraints: Any = args["defaultConstraints"]
    return PodTopologySpread(defaults=tuple(new_spread(each, NOTHING) for each in constraints))
