"""What a pod asks for and how it stands. Called by the scheduler, controllers, the node agent and admission.

Amounts are ints: cpu in millicores, everything else in whole units (bytes, devices), both rounded up.
Spec: k8s.io/component-helpers/resource, pkg/apis/core/v1/helper/qos, pkg/api/v1/pod (1.36).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from api.quantity import BINARY, Quantity, format_quantity, milli, parse_quantity, value

Amounts: TypeAlias = dict[str, int]
PodLike: TypeAlias = Mapping[str, Any]

# On the pods that show in the API what a node runs from a file; the value is the static pod's uid.
MIRROR = "kubernetes.io/config.mirror"
_COMPUTE = ("cpu", "memory")
_TERMINAL_PHASES = ("Succeeded", "Failed")


def all_containers(spec: PodLike) -> Iterator[Any]:
    """Yield init containers, containers and ephemeral containers, in this order."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()
    yield from spec.get("ephemeralContainers") or ()


def is_mirror(pod: PodLike) -> bool:
    """Say whether the pod only shows a static pod of its node."""
    return MIRROR in (pod["metadata"].get("annotations") or {})


def is_sidecar(container: PodLike) -> bool:
    """Say whether an init container keeps running beside the containers."""
    return container.get("restartPolicy") == "Always"


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """Return a ResourceList as ints."""
    if not quantities:
        return {}
    return {name: milli(text) if name == "cpu" else value(text) for name, text in quantities.items()}


def pod_requests(pod: PodLike) -> Amounts:
    """Return what a node must offer: max(containers + sidecars, init containers), pod level, overhead."""
    return _effective(pod, "requests")


def pod_limits(pod: PodLike) -> Amounts:
    """Return the pod's limits; what one container leaves unlimited still counts where others are limited."""
    return _effective(pod, "limits")


def exact_amounts(pod: PodLike, which: str) -> Amounts:
    """Return the pod's effective `requests` or `limits` in billionths, cpu too.

    A container under resize counts with the most of what it is to have and what it has; if its node cannot
    give it more, with what it has.
    """
    read = partial(_resized, pod, which, convert=_billionths)
    return _effective(pod, which, _billionths, read)


def placed_requests(pod: PodLike, least: Amounts | None = None) -> Amounts:
    """Return what a pod takes of its node: its requests, and under resize as `exact_amounts` has it.

    `least`: what a container counts with that asks for nothing of a resource.
    Spec: k8s.io/component-helpers/resource PodRequests with UseStatusResources (1.36).
    """
    return _effective(pod, "requests", read=partial(_placed, pod, least or {}), resized=True)


def _placed(pod: PodLike, least: Amounts, container: Any) -> Amounts:
    return {**least, **_resized(pod, "requests", container, amounts)}


def _billionths(quantities: Mapping[str, Any] | None) -> Amounts:
    return {name: parse_quantity(text).nano for name, text in (quantities or {}).items()}


def _resized(pod: PodLike, which: str, container: Any, convert: Callable[[Any], Amounts]) -> Amounts:
    wanted = convert((container.get("resources") or {}).get(which))
    inits = (pod.get("spec") or {}).get("initContainers") or ()
    # What runs to its end before the others start is not resized.
    ends = not is_sidecar(container) and any(each is container for each in inits)
    status = None if ends else container_status(pod, container["name"])
    return wanted if status is None else _with_status(pod, which, wanted, status, convert)


def _with_status(
    pod: PodLike, which: str, wanted: Amounts, status: Any, convert: Callable[[Any], Amounts]
) -> Amounts:
    """Return what counts of a container or a pod as a whole: `status` says what it has."""
    present = convert((status.get("resources") or {}).get(which))
    if which == "requests":
        raise_to(present, convert(status.get("allocatedResources")))
    if not present:
        return wanted
    pending = pod_condition(pod, "PodResizePending")
    if pending is None or pending.get("reason") != "Infeasible":
        raise_to(present, wanted)
    return present


def _effective(
    pod: PodLike,
    which: str,
    convert: Callable[[Any], Amounts] = amounts,
    read: Callable[[Any], Amounts] | None = None,
    resized: bool = False,
) -> Amounts:
    spec = pod.get("spec") or {}
    total = _combine(spec, read or (lambda container: convert((container.get("resources") or {}).get(which))))
    pod_level = (spec.get("resources") or {}).get(which)
    if pod_level:
        level = convert(pod_level)
        total.update(_with_status(pod, which, level, pod.get("status") or {}, convert) if resized else level)
    overhead = spec.get("overhead")
    if overhead:
        for name, number in convert(overhead).items():
            if which == "requests" or name in total:
                total[name] = total.get(name, 0) + number
    return total


def _combine(spec: PodLike, read: Callable[[Any], Amounts]) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add_to(total, read(container))
    inits = spec.get("initContainers")
    if not inits:
        return total
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in inits:
        need = read(container)
        if is_sidecar(container):
            add_to(total, need)
            add_to(sidecars, need)
            need = sidecars
        elif sidecars:
            need = {name: need.get(name, 0) + sidecars.get(name, 0) for name in {*need, *sidecars}}
        raise_to(peak, need)
    raise_to(total, peak)
    return total


def add_to(total: Amounts, more: Mapping[str, int]) -> None:
    """Add `more` into `total`, in place."""
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    """Raise each amount of `total` to at least that of `least`, in place."""
    for name, number in least.items():
        if number > total.get(name, -1):
            total[name] = number


def aggregate_requests(spec: PodLike) -> dict[str, str]:
    """Return the containers' effective requests as quantities, without pod level and overhead."""
    total = _combine(spec, lambda container: amounts((container.get("resources") or {}).get("requests")))
    return {name: to_quantity(name, number) for name, number in total.items()}


def to_quantity(name: str, number: int) -> str:
    """Return an amount as the text that objects hold."""
    if name == "cpu":
        return format_quantity(Quantity(number * 10**6))
    return format_quantity(Quantity(number * 10**9, BINARY if name != "pods" else "DecimalSI"))


def qos_class(pod: PodLike) -> str:
    """Return `Guaranteed`, `Burstable` or `BestEffort`, from the spec alone."""
    spec = pod.get("spec") or {}
    if spec.get("resources"):
        return _qos_of([spec["resources"]])
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return _qos_of([container.get("resources") or {} for container in containers])


def _qos_of(resources: Sequence[PodLike]) -> str:
    requested = False
    guaranteed = bool(resources)
    for each in resources:
        requests, limits = _positive(each.get("requests")), _positive(each.get("limits"))
        requested = requested or bool(requests) or bool(limits)
        if len(limits) < len(_COMPUTE) or any(requests.get(name) != limits[name] for name in limits):
            guaranteed = False
    if not requested:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(quantities: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the cpu and memory of a list that are more than zero, in billionths."""
    if not quantities:
        return {}
    found = {name: parse_quantity(quantities[name]).nano for name in _COMPUTE if name in quantities}
    return {name: nano for name, nano in found.items() if nano > 0}


def is_terminal(pod: PodLike) -> bool:
    """Say whether the pod has run to its end."""
    return (pod.get("status") or {}).get("phase") in _TERMINAL_PHASES


def is_pod_active(pod: PodLike) -> bool:
    """Say whether the pod still runs or will run: not at its end, not being deleted."""
    return not is_terminal(pod) and "deletionTimestamp" not in pod["metadata"]


def is_pod_ready(pod: PodLike) -> bool:
    """Say whether the condition `Ready` is True."""
    condition = pod_condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def pod_condition(pod: PodLike, kind: str) -> Any | None:
    """Return the pod's condition of a type, or None."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return condition
    return None


def container_status(pod: PodLike, name: str) -> Any | None:
    """Return the status of a container of any sort, or None."""
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for found in status.get(field) or ():
            if found.get("name") == name:
                return found
    return None


def host_ports(spec: PodLike) -> set[tuple[str, str, int]]:
    """Return (host IP, protocol, port) of every host port that containers and sidecars take."""
    containers = [c for c in spec.get("initContainers") or () if is_sidecar(c)]
    taken = set()
    for container in (*(spec.get("containers") or ()), *containers):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                taken.add((port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"]))
    return taken
