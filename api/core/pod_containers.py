"""Validation of the containers of a pod: regular, init and ephemeral.

Source: pkg/apis/core/validation validateContainers, validateInitContainers,
validateEphemeralContainers (1.36).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api import field, names
from api.core.address import ip_errors
from api.core.pod_env import env_errors
from api.core.pod_mounts import device_errors, mount_errors
from api.core.pod_probes import forbidden_errors, has_probe_or_hook, probe_and_hook_errors
from api.core.pod_resources import requirement_errors
from api.core.pod_restart import restart_errors
from api.core.pod_security import container_errors as security_errors
from api.field import FieldError, Path
from api.resource import Obj

_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?").fullmatch
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_RESIZABLE = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
    "restartPolicy", "restartPolicyRules",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PodContext:
    """What containers are checked against."""

    volumes: Mapping[str, Obj]
    claims: set[str]
    grace_s: int | None
    restart_policy: str
    host_users: bool
    system: str


def containers_errors(spec: Obj, context: PodContext, path: Path) -> list[FieldError]:
    """Check the containers, init containers and ephemeral containers of a spec."""
    containers = spec.get("containers") or ()
    at = path.child("containers")
    if not containers:
        return [field.required(at)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, container in enumerate(containers):
        here = at.index(number)
        errors += _shared_errors(container, context, here)
        errors += _unique(container, seen, here)
        if has_probe_or_hook(container):
            errors += probe_and_hook_errors(container, context.grace_s, context.system, here)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            errors += restart_errors(container, here)
    errors += host_port_conflicts(containers, at)
    if inits := spec.get("initContainers"):
        errors += _init_errors(inits, seen, context, path.child("initContainers"))
    if ephemerals := spec.get("ephemeralContainers"):
        errors += _ephemeral_errors(spec, ephemerals, context, path.child("ephemeralContainers"))
    return errors


def _unique(container: Obj, seen: set[str], path: Path) -> list[FieldError]:
    name = container.get("name", "")
    if name in seen:
        return [field.duplicate(path.child("name"), name)]
    if name:
        seen.add(name)
    return []


def _init_errors(inits: list[Obj], regular: set[str], context: PodContext, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen = set(regular)
    for number, container in enumerate(inits):
        here = path.index(number)
        errors += _shared_errors(container, context, here)
        policy = container.get("restartPolicy")
        if policy is not None or "restartPolicyRules" in container:
            errors += restart_errors(container, here)
        errors += _unique(container, seen, here)
        errors += host_port_conflicts([container], path)
        if has_probe_or_hook(container):
            errors += (
                probe_and_hook_errors(container, context.grace_s, context.system, here)
                if policy == "Always"
                else forbidden_errors(container, here)
            )
    return errors


def _ephemeral_errors(spec: Obj, ephemerals: list[Obj], context: PodContext, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    others = {
        c.get("name", "") for c in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    }
    seen = set(others)
    text = "cannot be set for an Ephemeral Container"
    for number, container in enumerate(ephemerals):
        here = path.index(number)
        errors += _shared_errors(container, context, here) + whitespace_errors(container, here)
        errors += _unique(container, seen, here)
        target = container.get("targetContainerName")
        if target and target not in others:
            errors.append(field.not_found(here.child("targetContainerName"), target))
        errors += [field.forbidden(here.child(name), text) for name in _NOT_EPHEMERAL if container.get(name)]
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            at = here.child("volumeMounts").index(place)
            errors += [
                field.forbidden(at.child(name), text)
                for name in ("subPath", "subPathExpr")
                if mount.get(name)
            ]
    return errors


def whitespace_errors(container: Obj, path: Path) -> list[FieldError]:
    """Check what only pods, not templates, refuse of an image's name."""
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [field.invalid(path.child("image"), image, "must not have leading or trailing whitespace")]


def _shared_errors(container: Obj, context: PodContext, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    name = container.get("name", "")
    if not _PLAIN_NAME(name):
        errors += _name_errors(name, path.child("name"))
    if not container.get("image"):
        errors.append(field.required(path.child("image")))
    policy = container.get("terminationMessagePolicy", "")
    if policy not in _MESSAGE_POLICIES:
        errors.append(_choice(policy, _MESSAGE_POLICIES, path.child("terminationMessagePolicy")))
    if ports := container.get("ports"):
        errors += _port_errors(ports, path.child("ports"))
    if "env" in container or "envFrom" in container:
        errors += env_errors(container, path)
    if "volumeMounts" in container:
        errors += mount_errors(container, context.volumes, path.child("volumeMounts"))
    if "volumeDevices" in container:
        errors += device_errors(container, context.volumes, path.child("volumeDevices"))
    policy = container.get("imagePullPolicy", "")
    if policy not in _PULL_POLICIES:
        errors.append(_choice(policy, _PULL_POLICIES, path.child("imagePullPolicy")))
    if resources := container.get("resources"):
        errors += requirement_errors(resources, context.claims, path.child("resources"))
    if "resizePolicy" in container:
        errors += _resize_errors(
            container["resizePolicy"], context.restart_policy, path.child("resizePolicy")
        )
    if security := container.get("securityContext"):
        errors += security_errors(security, path.child("securityContext"), context.host_users)
    return errors


def _name_errors(name: str, path: Path) -> list[FieldError]:
    if not name:
        return [field.required(path)]
    return [field.invalid(path, name, text) for text in names.is_dns1123_label(name)]


def _choice(value: str, allowed: tuple[str, ...], path: Path) -> FieldError:
    return field.not_supported(path, value, allowed) if value else field.required(path)


def _port_errors(ports: list[Obj], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, port in enumerate(ports):
        at = path.index(number)
        if name := port.get("name"):
            found = names.is_port_name(name)
            errors += [field.invalid(at.child("name"), name, text) for text in found]
            if not found and name in seen:
                errors.append(field.duplicate(at.child("name"), name))
            seen.add(name)
        value = port.get("containerPort", 0)
        if value == 0:
            errors.append(field.required(at.child("containerPort")))
        elif not 0 < value < 65536:
            errors += [
                field.invalid(at.child("containerPort"), value, text) for text in names.is_port_number(value)
            ]
        host = port.get("hostPort", 0)
        if host and not 0 < host < 65536:
            errors += [field.invalid(at.child("hostPort"), host, text) for text in names.is_port_number(host)]
        protocol = port.get("protocol", "")
        if protocol not in PROTOCOLS:
            errors.append(_choice(protocol, PROTOCOLS, at.child("protocol")))
        if address := port.get("hostIP"):
            errors += ip_errors(address, at.child("hostIP"))
    return errors


def host_port_conflicts(containers: list[Obj] | tuple[Obj, ...], path: Path) -> list[FieldError]:
    """Check that no host port is taken twice."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if text in seen:
                errors.append(
                    field.duplicate(path.index(number).child("ports").index(place).child("hostPort"), text)
                )
            seen.add(text)
    return errors


def _resize_errors(policies: list[Obj], restart: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, policy in enumerate(policies):
        name, action = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            errors.append(field.duplicate(path.index(number), name))
        seen.add(name)
        if name not in _RESIZABLE:
            errors.append(_choice(name, _RESIZABLE, path))
        if action not in _RESIZE_POLICIES:
            errors.append(_choice(action, _RESIZE_POLICIES, path))
        if restart == "Never" and action != "NotRequired":
            errors.append(
                field.invalid(path, action, "must be 'NotRequired' when `restartPolicy` is 'Never'")
            )
    return errors
