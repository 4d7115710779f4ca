"""A container's environment. PURE. Called by the pod worker when it creates a container.

    service variables  <  envFrom, in order  <  env, in order     (later wins; the image's is below all)

A variable may use those before it, and service variables, as `$(NAME)`; `$$` is a dollar; an unknown name
stays as written.
Source: pkg/kubelet/kubelet_pods.go makeEnvironmentVariables, pkg/kubelet/envvars (1.36).
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from api.resource import Obj
from nodeagent.pod.downward import DownwardError, Facts, field_value, resource_value

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class ConfigError(Exception):
    """The container cannot be created as configured now: status reason `CreateContainerConfigError`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class EnvSources:
    """Everything outside the pod object that its environment is made of."""

    # Those that exist among the pod's references, by name; all in the pod's namespace.
    configmaps: Mapping[str, Obj] = field(default_factory=dict)
    secrets: Mapping[str, Obj] = field(default_factory=dict)
    # All services of the cluster, or at least of the pod's namespace and default/kubernetes.
    services: Sequence[Obj] = ()
    facts: Facts = field(default_factory=Facts)


def container_env(pod: Obj, container: Obj, sources: EnvSources) -> list[tuple[str, str]]:
    """Return the variables in the order upstream sets them; names are unique.

    Raises `ConfigError` in upstream's words if a reference that is not optional leads nowhere.
    """
    spec = pod["spec"]
    links = spec.get("enableServiceLinks")
    services = service_env(pod["metadata"]["namespace"], sources.services, links is None or bool(links))
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        env.update(_env_from(source, sources))
    for variable in container.get("env") or ():
        found = _value(pod, container, variable, sources, {**services, **env})
        if found is not None:
            env[variable["name"]] = found
    rest = [(name, text) for name, text in services.items() if name not in env]
    return [*env.items(), *rest]


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by `env[NAME]`, `$$` by `$`; leave references to unknown names alone."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        return env.get(name, match[0])

    return _REFERENCE.sub(replace, text)


def expand_strictly(text: str, env: Mapping[str, str]) -> str:
    """As `expand`, but raise `ConfigError` if a name is unknown or empty (`subPathExpr`)."""
    escaped = text.replace("$$", "")
    names = {match[1] for match in _REFERENCE.finditer(escaped) if match[1] is not None}
    if missing := sorted(name for name in names if not env.get(name)):
        raise ConfigError(f"missing value for {', '.join(missing)}")
    return expand(text, env)


def _env_from(source: Obj, sources: EnvSources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    if ref := source.get("configMapRef"):
        found = _lookup(ref, "configmap", sources.configmaps)
        data = dict((found or {}).get("data") or {})
    elif ref := source.get("secretRef"):
        found = _lookup(ref, "secret", sources.secrets)
        data = {key: _text(text) for key, text in ((found or {}).get("data") or {}).items()}
    else:
        data = {}
    return {prefix + key: data[key] for key in sorted(data)}


def _lookup(ref: Obj, kind: str, known: Mapping[str, Obj]) -> Obj | None:
    name = ref.get("name", "")
    if name in known:
        return known[name]
    if ref.get("optional"):
        return None
    raise ConfigError(f'{kind} "{name}" not found')


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


def _value(
    pod: Obj, container: Obj, variable: Obj, sources: EnvSources, known: Mapping[str, str]
) -> str | None:
    """Return the variable's value, or None if it is optional and not there."""
    if text := variable.get("value"):
        return expand(text, known)
    source = variable.get("valueFrom") or {}
    try:
        if ref := source.get("fieldRef"):
            return field_value(pod, ref["fieldPath"], sources.facts)
        if ref := source.get("resourceFieldRef"):
            return resource_value(pod, ref, container, sources.facts)
    except DownwardError as error:
        raise ConfigError(str(error)) from error
    namespace = pod["metadata"]["namespace"]
    if ref := source.get("configMapKeyRef"):
        return _key(ref, "ConfigMap", _lookup(ref, "configmap", sources.configmaps), namespace)
    if ref := source.get("secretKeyRef"):
        encoded = _key(ref, "Secret", _lookup(ref, "secret", sources.secrets), namespace)
        return None if encoded is None else _text(encoded)
    return ""


def _key(ref: Obj, kind: str, found: Obj | None, namespace: str) -> str | None:
    if found is None:
        return None
    data = found.get("data") or {}
    if ref["key"] in data:
        return str(data[ref["key"]])
    if ref.get("optional"):
        return None
    raise ConfigError(f"couldn't find key {ref['key']} in {kind} {namespace}/{ref.get('name', '')}")


def service_env(namespace: str, services: Iterable[Obj], links: bool) -> dict[str, str]:
    """Return the Docker-style variables of the namespace's services and of `default/kubernetes`.

    The namespace's own service named `kubernetes` wins over the one in `default`.
    """
    chosen: dict[str, Obj] = {}
    for service in services:
        metadata = service["metadata"]
        if service["spec"].get("clusterIP") in (None, "", "None"):
            continue
        if links and metadata["namespace"] == namespace:
            chosen[metadata["name"]] = service
        elif metadata["namespace"] == "default" and metadata["name"] == "kubernetes":
            chosen.setdefault("kubernetes", service)
    env: dict[str, str] = {}
    for name in sorted(chosen):
        env.update(_variables_of(chosen[name]))
    return env


def _variables_of(service: Obj) -> dict[str, str]:
    spec = service["spec"]
    address, ports = spec["clusterIP"], spec.get("ports") or []
    if not ports:
        return {}
    name = _variable_name(service["metadata"]["name"])
    env = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            env[f"{name}_SERVICE_PORT_{_variable_name(port['name'])}"] = str(port["port"])
    host = f"[{address}]" if ":" in address else address
    for index, port in enumerate(ports):
        protocol = port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if index == 0:
            env[f"{name}_PORT"] = url
        prefix = f"{name}_PORT_{port['port']}_{protocol.upper()}"
        env[prefix] = url
        env[f"{prefix}_PROTO"] = protocol.lower()
        env[f"{prefix}_PORT"] = str(port["port"])
        env[f"{prefix}_ADDR"] = address
    return env


def _variable_name(name: str) -> str:
    return name.replace("-", "_").upper()
