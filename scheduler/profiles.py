"""Which plugins there are, and the profiles that a configuration makes of them. Pure.

    PluginSets by extension point --expand--> plugins by extension point, in order --new_profile--> Profile

PreFilter and PreScore are part of Filter and Score here: what is said of them is checked and changes nothing.
Source: pkg/scheduler/framework/plugins/registry.go, framework/runtime/framework.go NewFramework,
expandMultiPointPlugins (1.36).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler import factories
from scheduler.configuration.arguments import Args, with_defaults
from scheduler.configuration.load import ConfigurationError
from scheduler.configuration.model import (
    DEFAULT_SCHEDULER,
    EXTENSION_POINTS,
    MULTI_POINT,
    Configuration,
    PluginRef,
    PluginSet,
    ProfileConfig,
)
from scheduler.framework import Profile
from scheduler.plugins.gang_scheduling import GangScheduling
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.node_volume_limits import NodeVolumeLimits
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_restrictions import VolumeRestrictions
from scheduler.plugins.volume_zone import VolumeZone

_FIT = "NodeResourcesFit"


@dataclass(frozen=True)
class Registration:
    """A plugin that may be named: how it is made of its arguments, and upstream's extension points of it."""

    make: Callable[[Args], Any]
    points: frozenset[str]


def _at(make: Callable[[Args], Any], *points: str) -> Registration:
    return Registration(make, frozenset(points))


# What is done for every pod anyway, by the queue and the binder; the names are there to be named.
_BUILT_IN: Callable[[Args], Any] = lambda args: None  # noqa: E731 - one value of the table below

REGISTRY: Mapping[str, Registration] = {
    "SchedulingGates": _at(lambda args: SchedulingGates(), "preEnqueue"),
    "PrioritySort": _at(_BUILT_IN, "queueSort"),
    "NodeUnschedulable": _at(lambda args: NodeUnschedulable(), "filter"),
    "NodeName": _at(lambda args: NodeName(), "filter"),
    "TaintToleration": _at(lambda args: TaintToleration(), "filter", "preScore", "score"),
    "NodeAffinity": _at(factories.node_affinity, "preFilter", "filter", "preScore", "score"),
    "NodePorts": _at(lambda args: NodePorts(), "preFilter", "filter"),
    _FIT: _at(factories.node_resources_fit, "preFilter", "filter", "preScore", "score"),
    "VolumeRestrictions": _at(lambda args: VolumeRestrictions(), "preFilter", "filter"),
    "NodeVolumeLimits": _at(lambda args: NodeVolumeLimits(), "preFilter", "filter"),
    "VolumeBinding": _at(
        factories.volume_binding, "preFilter", "filter", "preScore", "score", "reserve", "preBind"
    ),
    "VolumeZone": _at(lambda args: VolumeZone(), "preFilter", "filter"),
    "PodTopologySpread": _at(factories.pod_topology_spread, "preFilter", "filter", "preScore", "score"),
    "InterPodAffinity": _at(factories.inter_pod_affinity, "preFilter", "filter", "preScore", "score"),
    "DynamicResources": _at(
        factories.dynamic_resources,
        "preEnqueue",
        "preFilter",
        "filter",
        "postFilter",
        "score",
        "reserve",
        "preBind",
    ),
    "DefaultPreemption": _at(factories.default_preemption, "postFilter", "preEnqueue"),
    "NodeResourcesBalancedAllocation": _at(factories.node_resources_balanced_allocation, "preScore", "score"),
    "ImageLocality": _at(lambda args: ImageLocality(), "score"),
    "NodeDeclaredFeatures": _at(lambda args: NodeDeclaredFeatures(), "preFilter", "filter"),
    "DefaultBinder": _at(_BUILT_IN, "bind"),
    "GangScheduling": _at(lambda args: GangScheduling(), "preEnqueue", "permit"),
}


def default_profile(name: str = DEFAULT_SCHEDULER) -> Profile:
    """Return what runs for a `schedulerName` if nothing else is said."""
    return new_profile(ProfileConfig(name))


def new_profiles(
    configuration: Configuration, registry: Mapping[str, Registration] = REGISTRY
) -> dict[str, Profile]:
    """Return the profiles by `schedulerName`. Raises `ConfigurationError` for plugins that do not exist or
    do not do what they are named for.
    """
    ignored = [
        resource.name
        for extender in configuration.extenders
        for resource in extender.managed_resources
        if resource.ignored
    ]
    found = {}
    for profile in configuration.profiles:
        try:
            found[profile.scheduler_name] = new_profile(profile, registry, ignored)
        except ConfigurationError as error:
            where = f"creating profile for scheduler name {profile.scheduler_name}"
            raise ConfigurationError(f"initializing profiles: {where}: {error}") from error
    return found


def new_profile(
    profile: ProfileConfig,
    registry: Mapping[str, Registration] = REGISTRY,
    ignored: Sequence[str] = (),
) -> Profile:
    """Return what a profile runs; `ignored` are resources that NodeResourcesFit leaves to extenders."""
    names = expand(profile.plugins, registry)
    _check(names, profile.scheduler_name)
    arguments = dict(profile.arguments)
    if ignored:
        fit = arguments.get(_FIT, {})
        arguments[_FIT] = {**fit, "ignoredResources": [*(fit.get("ignoredResources") or ()), *ignored]}
    # A plugin that runs at several points is one.
    made = {
        name: registry[name].make(with_defaults(name, arguments.get(name, {})))
        for name in {name for names_at in names.values() for name in names_at}
    }

    def at(point: str, method: str) -> tuple[Any, ...]:
        return tuple(made[name] for name in names[point] if hasattr(made[name], method))

    weights = _weights(profile.plugins)
    return Profile(
        profile.scheduler_name,
        filters=at("filter", "filter"),
        scores=tuple((made[name], weights[name]) for name in names["score"]),
        pre_enqueues=at("preEnqueue", "pre_enqueue"),
        reserves=at("reserve", "reserve"),
        pre_binds=at("preBind", "pre_bind"),
        post_filters=at("postFilter", "post_filter"),
        preemption=made["DefaultPreemption"] if "DefaultPreemption" in names["postFilter"] else None,
    )


def expand(
    plugins: Mapping[str, PluginSet], registry: Mapping[str, Registration] = REGISTRY
) -> dict[str, tuple[str, ...]]:
    """Return which plugins run at each extension point, in order.

    Those enabled at the point that `multiPoint` has as well come first, then those of `multiPoint`, then the
    others of the point. Raises `ConfigurationError`.
    """
    for point in EXTENSION_POINTS:
        _check_enabled(plugins.get(point, PluginSet()).enabled, point, registry)
    return {point: _expand_at(point, plugins, registry) for point in EXTENSION_POINTS}


def _expand_at(
    point: str, plugins: Mapping[str, PluginSet], registry: Mapping[str, Registration]
) -> tuple[str, ...]:
    here = plugins.get(point, PluginSet())
    own = [plugin.name for plugin in here.enabled]
    if "*" in here.disabled:
        return tuple(own)
    everywhere: list[str] = []
    for plugin in plugins.get(MULTI_POINT, PluginSet()).enabled:
        _check_exists(plugin.name, point, registry)
        if point not in registry[plugin.name].points or plugin.name in here.disabled:
            continue
        if plugin.name in everywhere:
            raise ConfigurationError(f'plugin "{plugin.name}" already registered as "{_interface(point)}"')
        everywhere.append(plugin.name)
    overriding = [name for name in own if name in everywhere]
    rest = [name for name in everywhere if name not in own]
    return (*overriding, *rest, *(name for name in own if name not in everywhere))


def _check_enabled(enabled: Sequence[PluginRef], point: str, registry: Mapping[str, Registration]) -> None:
    seen = set()
    for plugin in enabled:
        _check_exists(plugin.name, point, registry)
        if point not in registry[plugin.name].points:
            raise ConfigurationError(f'plugin "{plugin.name}" does not extend {_interface(point)} plugin')
        if plugin.name in seen:
            raise ConfigurationError(f'plugin "{plugin.name}" already registered as "{_interface(point)}"')
        seen.add(plugin.name)


def _check_exists(name: str, point: str, registry: Mapping[str, Registration]) -> None:
    if name not in registry:
        raise ConfigurationError(f'{_interface(point)} "{name}" does not exist')


def _interface(point: str) -> str:
    """Return what Go calls plugins of an extension point."""
    return f"{point[0].upper()}{point[1:]}Plugin"


def _check(names: Mapping[str, Sequence[str]], scheduler_name: str) -> None:
    sorts = len(names["queueSort"])
    whose = f'for profile with scheduler name "{scheduler_name}"'
    if sorts != 1:
        raise ConfigurationError(f"only one queue sort plugin required {whose}, but got {sorts}")
    if not names["bind"]:
        raise ConfigurationError(f"at least one bind plugin is needed {whose}")


def _weights(plugins: Mapping[str, PluginSet]) -> dict[str, int]:
    """Return the weights of scores: the one given at `score` counts before the one at `multiPoint`."""
    found: dict[str, int] = {}
    for point in ("score", MULTI_POINT):
        for plugin in plugins.get(point, PluginSet()).enabled:
            found.setdefault(plugin.name, plugin.weight or 1)
    return found
