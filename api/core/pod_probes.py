"""Validation of probes and of container lifecycle hooks.

Source: pkg/apis/core/validation validateProbe, validateHandler, validateLifecycle (1.36).
"""

from api import field, names
from api.core.service_spec import port_or_name_errors
from api.field import FieldError, Path
from api.resource import Obj

_NOT_NEGATIVE = "must be greater than or equal to 0"
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_SCHEMES = ("HTTP", "HTTPS")
_WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_SIGNALS = tuple(sorted([
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT",
    "SIGIO", "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV",
    "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX",
    *(f"SIGRTMIN+{number}" for number in range(1, 16)), *(f"SIGRTMAX-{number}" for number in range(1, 15)),
]))  # fmt: skip


def has_probe_or_hook(container: Obj) -> bool:
    """Say whether there is anything here to check: most containers are done with this."""
    return (
        "livenessProbe" in container
        or "readinessProbe" in container
        or "lifecycle" in container
        or "startupProbe" in container
    )


def probe_and_hook_errors(container: Obj, grace_s: int | None, system: str, path: Path) -> list[FieldError]:
    """Check the lifecycle hooks and probes of a container that may have them."""
    errors: list[FieldError] = []
    for name in ("postStart", "preStop"):
        hook = (container.get("lifecycle") or {}).get(name)
        if hook is not None:
            errors += _handler_errors(hook, _HOOK_HANDLERS, grace_s, path.child("lifecycle").child(name))
    stop = (container.get("lifecycle") or {}).get("stopSignal")
    if stop is not None:
        errors += _signal_errors(stop, system, path.child("lifecycle").child("stopSignal"))
    for name in _PROBES:
        probe = container.get(name)
        if probe is not None:
            errors += _probe_errors(probe, name, path.child(name))
    return errors


def _signal_errors(signal: str, system: str, path: Path) -> list[FieldError]:
    if not system:
        return [field.forbidden(path, "may not be set for containers with empty `spec.os.name`")]
    allowed = _SIGNALS if system == "linux" else _WINDOWS_SIGNALS
    return [] if signal in allowed else [field.not_supported(path, signal, allowed)]


def forbidden_errors(container: Obj, path: Path) -> list[FieldError]:
    """Refuse hooks and probes of an init container that ends."""
    text = "may not be set for init containers without restartPolicy=Always"
    return [field.forbidden(path.child(name), text) for name in ("lifecycle", *_PROBES) if name in container]


def _probe_errors(probe: Obj, name: str, path: Path) -> list[FieldError]:
    errors = _handler_errors(probe, _PROBE_HANDLERS, None, path)
    for number in _NUMBERS:
        if probe.get(number, 0) < 0:
            errors.append(field.invalid(path.child(number), probe[number], _NOT_NEGATIVE))
    grace = probe.get("terminationGracePeriodSeconds")
    at = path.child("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        errors.append(field.invalid(at, grace, "must be greater than 0"))
    if name == "readinessProbe":
        if grace is not None:
            errors.append(field.invalid(at, grace, "must not be set for readinessProbes"))
    elif probe.get("successThreshold", 0) != 1:
        errors.append(
            field.invalid(path.child("successThreshold"), probe.get("successThreshold", 0), "must be 1")
        )
    return errors


def _handler_errors(
    handler: Obj, allowed: tuple[str, ...], grace_s: int | None, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    found = [name for name in allowed if handler.get(name) is not None]
    if not found:
        return [field.required(path, "must specify a handler type")]
    errors += _action_errors(found[0], handler[found[0]], grace_s, path.child(found[0]))
    for name in found[1:]:
        errors.append(field.forbidden(path.child(name), "may not specify more than 1 handler type"))
    return errors


def _action_errors(name: str, action: Obj, grace_s: int | None, path: Path) -> list[FieldError]:
    match name:
        case "exec":
            return [] if action.get("command") else [field.required(path.child("command"))]
        case "httpGet":
            return _http_errors(action, path)
        case "sleep":
            seconds = action.get("seconds", 0)
            if grace_s is None or 0 <= seconds <= grace_s:
                return []
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            return [field.invalid(path, seconds, text)]
    return port_or_name_errors(action.get("port", 0), path.child("port"))


def _http_errors(action: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not action.get("path"):
        errors.append(field.required(path.child("path")))
    errors += port_or_name_errors(action.get("port", 0), path.child("port"))
    scheme = action.get("scheme", "")
    if scheme not in _SCHEMES:
        errors.append(field.not_supported(path.child("scheme"), scheme, _SCHEMES))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        errors += [
            field.invalid(path.child("httpHeaders"), name, text) for text in names.is_http_header_name(name)
        ]
    return errors
