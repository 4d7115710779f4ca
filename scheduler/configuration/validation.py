"""Which configurations make sense. Pure.

Source: pkg/scheduler/apis/config/validation/validation.go, k8s.io/component-base/config/validation (1.36).
"""

from collections.abc import Sequence

from api import field
from api.core.pod_resources import is_extended
from api.field import FieldError, Path
from api.names import is_qualified_name
from scheduler.configuration import arguments
from scheduler.configuration.model import (
    EXTENSION_POINTS,
    Configuration,
    ExtenderConfig,
    LeaderElection,
    PluginSet,
    ProfileConfig,
)
from scheduler.configuration.shapes import GROUP_VERSION

# Plugins that v1 does not have any more.
_REMOVED = ("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits")


def configuration_errors(configuration: Configuration) -> list[FieldError]:
    """Return all faults of a configuration that has its defaults."""
    found = election_errors(configuration.leader_election, Path("leaderElection"))
    if configuration.parallelism <= 0:
        text = "should be an integer value greater than zero"
        found.append(field.invalid(Path("parallelism"), configuration.parallelism, text))
    found += _profiles_errors(configuration.profiles, Path("profiles"))
    found += percentage_errors(configuration.percentage_of_nodes_to_score, Path("percentageOfNodesToScore"))
    initial, longest = configuration.pod_initial_backoff_s, configuration.pod_max_backoff_s
    if initial <= 0:
        found.append(field.invalid(Path("podInitialBackoffSeconds"), initial, "must be greater than 0"))
    if longest < initial:
        text = "must be greater than or equal to PodInitialBackoffSeconds"
        found.append(field.invalid(Path("podMaxBackoffSeconds"), longest, text))
    return found + _extenders_errors(configuration.extenders, Path("extenders"))


def election_errors(election: LeaderElection, path: Path) -> list[FieldError]:
    """Check the lease's times and name; nothing if there is no election."""
    if not election.leader_elect:
        return []
    found = []
    times = {
        "leaseDuration": election.lease_duration_s,
        "renewDeadline": election.renew_deadline_s,
        "retryPeriod": election.retry_period_s,
    }
    for name, seconds in times.items():
        if seconds <= 0:
            shown = arguments.go_duration(seconds)
            found.append(field.invalid(path.child(name), shown, "must be greater than zero"))
    if election.lease_duration_s <= election.renew_deadline_s:
        shown = arguments.go_duration(election.renew_deadline_s)
        text = "LeaseDuration must be greater than RenewDeadline"
        found.append(field.invalid(path.child("leaseDuration"), shown, text))
    if election.resource_lock != "leases":
        text = 'resourceLock value must be "leases"'
        found.append(field.invalid(path.child("resourceLock"), election.resource_lock, text))
    names = {"resourceNamespace": election.resource_namespace, "resourceName": election.resource_name}
    found += [field.invalid(path.child(name), "", f"{name} is required") for name in names if not names[name]]
    return found


def percentage_errors(percentage: int, path: Path) -> list[FieldError]:
    if 0 <= percentage <= 100:
        return []
    return [field.invalid(path, percentage, "not in valid range [0-100]")]


def _profiles_errors(profiles: Sequence[ProfileConfig], path: Path) -> list[FieldError]:
    found: list[FieldError] = []
    seen: dict[str, int] = {}
    for number, profile in enumerate(profiles):
        at = path.index(number)
        if not profile.scheduler_name:
            found.append(field.required(at.child("schedulerName")))
        for point in EXTENSION_POINTS:
            removed_at = at.child("plugins", point)
            found += _removed_errors(profile.plugins.get(point, PluginSet()), removed_at)
        if profile.scheduler_name in seen:
            # Upstream shows the path of the other, which has no fields that are seen.
            found.append(field.duplicate(at.child("schedulerName"), {}))
        seen[profile.scheduler_name] = number
    return found + _queue_sort_errors(profiles, path)


def _removed_errors(plugins: PluginSet, path: Path) -> list[FieldError]:
    return [
        removed_error(path.child("enabled").index(number), plugin.name)
        for number, plugin in enumerate(plugins.enabled)
        if is_removed(plugin.name)
    ]


def is_removed(plugin: str) -> bool:
    """Say whether a plugin is one of those that earlier versions had."""
    return plugin in _REMOVED


def removed_error(path: Path, plugin: str) -> FieldError:
    text = (
        f'was invalid in version "{GROUP_VERSION}" (KubeSchedulerConfiguration is version "{GROUP_VERSION}")'
    )
    return field.invalid(path, plugin, text)


def _queue_sort_errors(profiles: Sequence[ProfileConfig], path: Path) -> list[FieldError]:
    """There is one queue: all profiles must sort it alike."""
    if not profiles:
        return []
    first = profiles[0].plugins.get("queueSort", PluginSet())
    found = []
    if len(first.enabled) > 1:
        at = path.index(0).child("plugins", "queueSort", "Enabled")
        text = "only one queue sort plugin can be enabled"
        found.append(field.invalid(at, len(first.enabled), text))
    for number, profile in enumerate(profiles[1:], 1):
        other = profile.plugins.get("queueSort", PluginSet())
        if other != first:
            shown = {"Enabled": [plugin.name for plugin in other.enabled], "Disabled": list(other.disabled)}
            at = path.index(number).child("plugins", "queueSort")
            found.append(field.invalid(at, shown, "must be the same for all profiles"))
    return found


def _extenders_errors(extenders: Sequence[ExtenderConfig], path: Path) -> list[FieldError]:
    found: list[FieldError] = []
    managed: set[str] = set()
    for number, extender in enumerate(extenders):
        at = path.index(number)
        if extender.prioritize_verb and extender.weight <= 0:
            text = "must have a positive weight applied to it"
            found.append(field.invalid(at.child("weight"), extender.weight, text))
        for place, resource in enumerate(extender.managed_resources):
            here = at.child("managedResources").index(place).child("name")
            found += _resource_errors(resource.name, here)
            if resource.name in managed:
                text = "duplicate extender managed resource name"
                found.append(field.invalid(here, resource.name, text))
            managed.add(resource.name)
    binders = sum(bool(extender.bind_verb) for extender in extenders)
    if binders > 1:
        shown = f"found {binders} extenders implementing bind"
        found.append(field.invalid(path, shown, "only one extender can implement bind"))
    return found


def _resource_errors(name: str, path: Path) -> list[FieldError]:
    if complaints := is_qualified_name(name):
        return [field.invalid(path, name, text) for text in complaints]
    return [] if is_extended(name) else [field.invalid(path, name, "is an invalid extended resource name")]
