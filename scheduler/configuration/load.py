"""A configuration file to a `Configuration`: decoded strictly, defaults set, checked. Pure: takes the text.

    bytes --decode--> fields of the shape --defaults--> Configuration --validation--> Configuration | error

Source: cmd/kube-scheduler/app/options/configfile.go, pkg/scheduler/apis/config/v1 defaults.go and
default_plugins.go, k8s.io/kube-scheduler/config/v1 DecodeNestedObjects (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from api.codec import yaml
from api.codec.json import DecodeError, strict_faults
from api.field import FieldError, Path, duplicate, invalid
from scheduler.configuration import arguments
from scheduler.configuration.decode import decode
from scheduler.configuration.model import (
    DEFAULT_PLUGINS,
    DEFAULT_SCHEDULER,
    EXTENSION_POINTS,
    MULTI_POINT,
    Configuration,
    ExtenderConfig,
    ExtenderTLS,
    LeaderElection,
    ManagedResource,
    PluginRef,
    PluginSet,
    ProfileConfig,
)
from scheduler.configuration.shapes import ARGUMENTS, CONFIGURATION, GROUP_VERSION, KIND
from scheduler.configuration.validation import (
    configuration_errors,
    is_removed,
    percentage_errors,
    removed_error,
)

_SCHEME = "pkg/scheduler/apis/config/scheme/scheme.go:30"
_GROUP = GROUP_VERSION.partition("/")[0]
_EXTENDER_TIMEOUT_S = 5.0
Fields = Mapping[str, Any]


class ConfigurationError(ValueError):
    """A file that is no configuration, or says what cannot be; the text is upstream's."""


def load(data: bytes, election: Mapping[str, Any] = MappingProxyType({})) -> Configuration:
    """Return what a file says; `election` are fields of `LeaderElection` that flags say otherwise.

    Raises `ConfigurationError`.
    """
    try:
        obj, doubled = yaml.loads_strict(data)
        _check_kind(obj, data)
        decoded = decode(obj, CONFIGURATION)
        faults = [yaml.strict_fault(doubled)] if doubled else []
        faults += strict_faults(decoded.unknown, [])
        profiles = _with_arguments(decoded.value, faults)
    except DecodeError as error:
        raise ConfigurationError(str(error)) from error
    if faults:
        raise ConfigurationError(f"strict decoding error: {', '.join(faults)}")
    configuration = _configuration(decoded.value, profiles, election)
    refuse([*_connection_errors(decoded.value), *configuration_errors(configuration), *_details(profiles)])
    return configuration


def refuse(errors: Iterable[FieldError]) -> None:
    """Raise `ConfigurationError` if there are any errors, worded as upstream adds them up."""
    texts = list(dict.fromkeys(map(str, errors)))
    if texts:
        raise ConfigurationError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def _check_kind(obj: Fields, data: bytes) -> None:
    kind, version = obj.get("kind") or "", obj.get("apiVersion") or ""
    text = data.decode(errors="replace")
    if not kind:
        raise ConfigurationError(f"Object 'Kind' is missing in '{text}'")
    if not version:
        raise ConfigurationError(f"Object 'apiVersion' is missing in '{text}'")
    if version == GROUP_VERSION and kind != KIND and kind.removesuffix("Args") in ARGUMENTS:
        shown = f"{GROUP_VERSION}, Kind={kind}"
        raise ConfigurationError(f"couldn't decode as {KIND}, got {shown}: ")
    if (version, kind) != (GROUP_VERSION, KIND):
        raise ConfigurationError(
            f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'
        )


def _with_arguments(obj: Fields, faults: list[str]) -> list[Fields]:
    """Return the profiles with the arguments of upstream's plugins decoded; adds to `faults`."""
    found: list[Fields] = []
    for number, profile in enumerate(obj.get("profiles") or ()):
        entries = []
        for place, entry in enumerate(profile.get("pluginConfig") or ()):
            where = f"decoding .profiles[{number}].pluginConfig[{place}]"
            args, unknown = _decode_arguments(entry, where)
            if unknown:
                text = f"strict decoding error: {', '.join(strict_faults(unknown, []))}"
                plugin = f"decoding args for plugin {entry.get('name', '')}"
                faults.append(f"{where}: strict decoding error: {plugin}: {text}")
            entries.append({"name": entry.get("name", ""), "args": args})
        found.append({**profile, "pluginConfig": entries})
    return found


def _decode_arguments(entry: Fields, where: str) -> tuple[Fields, list[str]]:
    name, raw = entry.get("name", ""), entry.get("args") or {}
    shape = ARGUMENTS.get(name)
    if shape is None:
        return raw, []
    if isinstance(raw, dict):
        version, kind = raw.get("apiVersion", GROUP_VERSION), raw.get("kind", shape.name)
        if (version.partition("/")[0], kind) != (_GROUP, shape.name):
            got = f"{kind}.{version.partition('/')[0]}"
            text = f"args for plugin {name} were not of type {shape.name}.{_GROUP}, got {got}"
            raise ConfigurationError(f"{where}: {text}")
    try:
        decoded = decode(raw, shape)
    except DecodeError as error:
        raise ConfigurationError(f"{where}: decoding args for plugin {name}: {error}") from error
    args = {key: value for key, value in decoded.value.items() if key not in ("apiVersion", "kind")}
    return args, decoded.unknown


def _connection_errors(obj: Fields) -> list[FieldError]:
    burst = (obj.get("clientConnection") or {}).get("burst", 0)
    at = Path("clientConnection").child("burst")
    return [invalid(at, burst, "must be non-negative")] if burst < 0 else []


def _configuration(obj: Fields, profiles: Sequence[Fields], election: Fields) -> Configuration:
    return Configuration(
        profiles=_profiles(profiles),
        extenders=tuple(_extender(each) for each in obj.get("extenders") or ()),
        leader_election=replace(_election(obj.get("leaderElection") or {}), **election),
        kubeconfig=(obj.get("clientConnection") or {}).get("kubeconfig", ""),
        parallelism=obj.get("parallelism", 16),
        percentage_of_nodes_to_score=obj.get("percentageOfNodesToScore", 0),
        pod_initial_backoff_s=obj.get("podInitialBackoffSeconds", 1),
        pod_max_backoff_s=obj.get("podMaxBackoffSeconds", 10),
        enable_profiling=obj.get("enableProfiling", True),
    )


def _profiles(given: Sequence[Fields]) -> tuple[ProfileConfig, ...]:
    if not given:
        return (ProfileConfig(),)
    # Only a profile that is alone may lack a name.
    name = DEFAULT_SCHEDULER if len(given) == 1 else ""
    return tuple(
        ProfileConfig(
            each.get("schedulerName", name),
            _plugins(each.get("plugins") or {}),
            {
                entry["name"]: arguments.with_defaults(entry["name"], entry["args"])
                for entry in each["pluginConfig"]
            },
        )
        for each in given
    )


def _plugins(given: Fields) -> dict[str, PluginSet]:
    found = {point: _plugin_set(given[point]) for point in (*EXTENSION_POINTS, MULTI_POINT) if point in given}
    found[MULTI_POINT] = merged(DEFAULT_PLUGINS, found.get(MULTI_POINT, PluginSet()))
    return found


def _plugin_set(given: Fields) -> PluginSet:
    return PluginSet(
        tuple(PluginRef(each.get("name", ""), each.get("weight", 0)) for each in given.get("enabled") or ()),
        tuple(each.get("name", "") for each in given.get("disabled") or ()),
    )


def merged(default: PluginSet, custom: PluginSet) -> PluginSet:
    """Return the plugins of a set with what users enable and disable: a default plugin that they name is
    changed in its place, others come behind. Source: default_plugins.go mergePluginSet.
    """
    own = {plugin.name: plugin for plugin in custom.enabled}
    replaced: set[str] = set()
    enabled = []
    if "*" not in custom.disabled:
        for plugin in default.enabled:
            if plugin.name not in custom.disabled:
                enabled.append(own.get(plugin.name, plugin))
                replaced.add(plugin.name)
    enabled += [plugin for plugin in custom.enabled if plugin.name not in replaced]
    return PluginSet(tuple(enabled), custom.disabled)


def _details(profiles: Sequence[Fields]) -> list[FieldError]:
    """Return the faults of what `Configuration` does not show any more."""
    found: list[FieldError] = []
    for number, profile in enumerate(profiles):
        at = Path("profiles").index(number)
        percentage = profile.get("percentageOfNodesToScore", 0)
        found += percentage_errors(percentage, at.child("percentageOfNodesToScore"))
        seen: set[str] = set()
        for place, entry in enumerate(profile["pluginConfig"]):
            here, name = at.child("pluginConfig").index(place), entry["name"]
            if name in seen:
                found.append(duplicate(here, name))
            seen.add(name)
            if is_removed(name):
                found.append(removed_error(here, name))
            args = arguments.with_defaults(name, entry["args"])
            found += arguments.errors(name, args, here.child("args"))
    return found


def _election(given: Fields) -> LeaderElection:
    usual = LeaderElection()
    return LeaderElection(
        leader_elect=given.get("leaderElect", usual.leader_elect),
        # As upstream, nothing and zero are the same.
        lease_duration_s=given.get("leaseDuration") or usual.lease_duration_s,
        renew_deadline_s=given.get("renewDeadline") or usual.renew_deadline_s,
        retry_period_s=given.get("retryPeriod") or usual.retry_period_s,
        resource_lock=given.get("resourceLock") or usual.resource_lock,
        resource_name=given.get("resourceName") or usual.resource_name,
        resource_namespace=given.get("resourceNamespace") or usual.resource_namespace,
    )


def _extender(given: Fields) -> ExtenderConfig:
    tls = given.get("tlsConfig")
    return ExtenderConfig(
        url_prefix=given.get("urlPrefix", ""),
        filter_verb=given.get("filterVerb", ""),
        preempt_verb=given.get("preemptVerb", ""),
        prioritize_verb=given.get("prioritizeVerb", ""),
        bind_verb=given.get("bindVerb", ""),
        weight=given.get("weight", 0),
        enable_https=given.get("enableHTTPS", False),
        tls=_tls(tls) if tls is not None else None,
        timeout_s=given.get("httpTimeout") or _EXTENDER_TIMEOUT_S,
        node_cache_capable=given.get("nodeCacheCapable", False),
        managed_resources=tuple(
            ManagedResource(each.get("name", ""), each.get("ignoredByScheduler", False))
            for each in given.get("managedResources") or ()
        ),
        ignorable=given.get("ignorable", False),
    )


def _tls(given: Fields) -> ExtenderTLS:
    return ExtenderTLS(
        insecure=given.get("insecure", False),
        server_name=given.get("serverName", ""),
        cert_file=given.get("certFile", ""),
        key_file=given.get("keyFile", ""),
        ca_file=given.get("caFile", ""),
        cert_data=given.get("certData", b""),
        key_data=given.get("keyData", b""),
        ca_data=given.get("caData", b""),
    )
