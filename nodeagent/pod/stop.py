"""Ends containers and whole pods: preStop hook, stop signal, grace, then SIGKILL. Called by the pod worker.

Source: pkg/kubelet/kuberuntime killContainer, killContainersWithSyncResult (1.36).
"""

import asyncio

from api.resource import Obj
from kit import clock, log
from nodeagent.cri.errors import CRIError
from nodeagent.pod import order
from nodeagent.pod.edges import Edges
from nodeagent.pod.observed import ContainerObserved, PodObserved
from nodeagent.probes.hooks import HookError

_log = log.get("nodeagent.stop")
# What a container gets after its preStop hook, however long that took. Source: minimumGracePeriodInSeconds.
MIN_GRACE_S = 2.0


async def stop_container(
    edges: Edges, pod: Obj, seen: ContainerObserved, message: str, grace_s: float
) -> None:
    """Stop one container. Raises `CRIError` if the runtime fails; a container that is gone counts as
    stopped.
    """
    container = order.find_container(pod, seen.name)
    edges.report(pod, "Normal", "Killing", message, seen.name)
    hook = ((container or {}).get("lifecycle") or {}).get("preStop")
    if container is not None and hook and seen.running and grace_s > 0:
        started = clock.monotonic()
        await _pre_stop(edges, pod, container, seen, hook, grace_s)
        grace_s = max(MIN_GRACE_S, grace_s - (clock.monotonic() - started))
    try:
        await edges.runtime.stop_container(seen.id, grace_s)
    except CRIError as error:
        if not error.not_found:
            raise


async def _pre_stop(
    edges: Edges, pod: Obj, container: Obj, seen: ContainerObserved, hook: Obj, grace_s: float
) -> None:
    record = edges.directory.get(pod["metadata"]["uid"])
    ips = record.ips if record is not None else ()
    ip = (edges.settings.ips if pod["spec"].get("hostNetwork") else ips)[:1]
    try:
        await edges.hooks.run(pod, container, seen.id, hook, pod_ip=ip[0] if ip else "", timeout_s=grace_s)
    except HookError as error:
        _log.info("preStop hook failed", pod=pod["metadata"]["name"], error=str(error))
        edges.report(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container["name"])


async def stop_pod(edges: Edges, pod: Obj, observed: PodObserved, grace_s: float) -> None:
    """Stop all containers, sidecars last and in reverse order, within one grace period. Raises `CRIError`."""
    ends = clock.monotonic() + grace_s
    for wave in order.termination_waves(pod, observed):
        left = max(0.0, ends - clock.monotonic()) if grace_s > 0 else 0.0
        stops = (stop_container(edges, pod, seen, f"Stopping container {seen.name}", left) for seen in wave)
        results = await asyncio.gather(*stops, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


async def stop_sandboxes(edges: Edges, observed: PodObserved) -> None:
    """Stop every sandbox that may still hold something. Raises `CRIError`."""
    for sandbox in observed.sandboxes:
        if sandbox.ready or sandbox is observed.sandbox:
            try:
                await edges.runtime.stop_pod_sandbox(sandbox.id)
            except CRIError as error:
                if not error.not_found:
                    raise


async def remove_sandboxes(edges: Edges, observed: PodObserved) -> None:
    """Remove the sandboxes with their containers from the runtime. Raises `CRIError`."""
    for sandbox in observed.sandboxes:
        try:
            await edges.runtime.remove_pod_sandbox(sandbox.id)
        except CRIError as error:
            if not error.not_found:
                raise
