"""Which containers a pod has, of which sort, when they restart, and in which order they end. PURE."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from api.resource import Obj
from nodeagent.pod.observed import ContainerObserved, PodObserved, State

DEFAULT_GRACE_S = 30


def init_containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("initContainers") or ())


def app_containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("containers") or ())


def ephemeral_containers(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("ephemeralContainers") or ())


def all_containers(pod: Obj) -> Iterator[Obj]:
    yield from init_containers(pod)
    yield from app_containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Obj, name: str) -> Obj | None:
    """Return the container of that name, whatever its sort."""
    return next((container for container in all_containers(pod) if container["name"] == name), None)


def is_sidecar(container: Obj) -> bool:
    """Return whether an init container is restartable, that is, runs beside the others for the pod's life."""
    return container.get("restartPolicy") == "Always"


def kind_of(pod: Obj, name: str) -> str:
    """Return the sort of a container: init, sidecar, app or ephemeral."""
    for container in init_containers(pod):
        if container["name"] == name:
            return "sidecar" if is_sidecar(container) else "init"
    return "ephemeral" if any(one["name"] == name for one in ephemeral_containers(pod)) else "app"


def sidecars(pod: Obj) -> list[Obj]:
    return [container for container in init_containers(pod) if is_sidecar(container)]


def restart_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def should_restart(pod: Obj, container: Obj, seen: ContainerObserved | None) -> bool:
    """Return whether an app container that is not running is to be started (again).

    Source: pkg/kubelet/container ShouldContainerBeRestarted, with container restart rules (1.36).
    """
    if seen is None or seen.state in (State.CREATED, State.UNKNOWN):
        return True
    if seen.running:
        return False
    for rule in container.get("restartPolicyRules") or ():
        if rule.get("action") == "Restart" and _matches_exit(rule.get("exitCodes") or {}, seen.exit_code):
            return True
    policy = container.get("restartPolicy") or restart_policy(pod)
    return policy == "Always" or (policy == "OnFailure" and seen.exit_code != 0)


def _matches_exit(rule: Obj, exit_code: int) -> bool:
    listed = exit_code in (rule.get("values") or ())
    return listed if rule.get("operator") == "In" else not listed


def grace_period_s(pod: Obj) -> int:
    """Return the grace of a pod that is being ended: the deletion's own, else the spec's."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    if asked is not None:
        return int(asked)
    return int(pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S) or 0)


def termination_waves(pod: Obj, observed: PodObserved) -> list[list[ContainerObserved]]:
    """Return the running containers in the waves in which they are stopped: all that are no sidecars at once,
    then sidecars one by one, the last started first.
    """
    order = [container["name"] for container in sidecars(pod)]
    live = [
        seen for seen in observed.containers if seen.state in (State.RUNNING, State.UNKNOWN, State.CREATED)
    ]
    first = [seen for seen in live if seen.name not in order]
    waves = [first, *([seen for seen in live if seen.name == name] for name in reversed(order))]
    return [wave for wave in waves if wave]


def deadline(pod: Obj, started: datetime | None) -> datetime | None:
    """Return when `activeDeadlineSeconds` ends the pod."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return started + timedelta(seconds=int(seconds)) if seconds is not None and started else None


def dead_attempts(observed: PodObserved, keep: int = 2) -> Sequence[ContainerObserved]:
    """Return the ended attempts that nobody needs: all but the newest `keep` of each container."""
    seen: dict[str, int] = {}
    dead: list[ContainerObserved] = []
    for container in observed.containers:
        seen[container.name] = seen.get(container.name, 0) + 1
        if seen[container.name] > keep and container.exited:
            dead.append(container)
    return dead
