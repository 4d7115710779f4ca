"""Workloads in manifests: which pods their controllers would make and end, in which steps. Pure.

Pods are made by the controllers' own functions. Workloads of one file roll one after the other here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from api.intstr import scaled
from api.resource import Key, Resource, key_of
from api.types.apps_v1 import DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS
from api.types.batch_v1 import JOBS
from api.types.core_v1 import NODES, PERSISTENTVOLUMECLAIMS, PODS, REPLICATIONCONTROLLERS, Pod
from cli.whatif.admission import admit
from cli.whatif.live import Live
from cli.whatif.manifests import Manifest
from controllers.daemonset.nodes import node_of, pinned, should_run
from controllers.deployment.revisions import find_new, new_replica_set
from controllers.deployment.sizes import RECREATE, max_surge, max_unavailable, replicas_of, strategy_of
from controllers.pods import new_pod, to_delete
from controllers.statefulset import pods as set_pods
from scheduler.whatif.hypotheses import Rollout

Objects: TypeAlias = tuple[tuple[Resource[Any], Any], ...]


@dataclass(frozen=True)
class Planned:
    """A rollout, and the objects that its controller makes besides pods."""

    rollout: Rollout
    objects: Objects = ()


@dataclass(frozen=True)
class Planner:
    """`live` as it is now; `nodes` as they would be; `now` for the age of pods."""

    live: Live
    nodes: Sequence[Any]
    now: datetime

    def plan(self, manifest: Manifest) -> Planned | None:
        """Return what becomes of a workload; None if the manifest is none. Raises `Forbidden`."""
        make = _PLANS.get(manifest.resource)
        return make(self, manifest, manifest.obj) if make is not None else None

    def daemons(self, nodes: Iterable[Any]) -> list[Pod]:
        """Return the pods that the DaemonSets that are there start on new nodes."""
        return [
            self._daemon(ds, node)
            for node in nodes
            for ds in self.live.all(DAEMONSETS)
            if should_run(ds["spec"]["template"]["spec"], node)[0]
        ]

    def _deployment(self, manifest: Manifest, obj: Any) -> Planned:
        sets = self.live.controlled(REPLICASETS, manifest.before)
        current: Any = find_new(obj, sets)
        objects: Objects = ()
        replicas = replicas_of(obj)
        if current is None and obj["spec"].get("paused") and sets:
            return Planned(Rollout(str(manifest), 0))
        if current is None:
            current = new_replica_set(obj, 1, replicas)
            current["metadata"]["uid"] = f"whatif-{current['metadata']['name']}"
            objects = ((REPLICASETS, current),)
        old = [pod for rs in sets if rs is not current for pod in self.live.controlled(PODS, rs)]
        surge, unavailable = max_surge(obj), max_unavailable(obj)
        if strategy_of(obj) == RECREATE:
            surge, unavailable = 0, replicas
        rollout = self._resize(manifest, current, REPLICASETS, replicas, old)
        return Planned(replace(rollout, surge=surge, unavailable=unavailable), objects)

    def _replicas(self, manifest: Manifest, obj: Any) -> Planned:
        return Planned(self._resize(manifest, obj, manifest.resource, replicas_of(obj)))

    def _resize(
        self,
        manifest: Manifest,
        owner: Any,
        of: Resource[Any],
        replicas: int,
        old: Sequence[Pod] = (),
    ) -> Rollout:
        """Return the rollout to a number of pods of one template; `old` pods are of others."""
        there = self.live.controlled(PODS, owner)
        surplus = to_delete(there, there, max(len(there) - replicas, 0), self.now)
        missing = max(replicas - len(there), 0)
        come = (self._new(owner, of),) * missing if missing else ()
        stay = len(there) - len(surplus)
        return Rollout(str(manifest), replicas, come, (*surplus, *_ranked(old, self.now)), stay)

    def _statefulset(self, manifest: Manifest, obj: Any) -> Planned:
        spec, start = obj["spec"], set_pods.start_of(obj)
        wanted = range(start, start + replicas_of(obj))
        there = {set_pods.ordinal_of(obj, pod): pod for pod in self.live.controlled(PODS, manifest.before)}
        strategy = spec.get("updateStrategy") or {}
        rolling: Any = strategy.get("rollingUpdate") or {}
        rolls = not _same_template(manifest) and strategy.get("type") != "OnDelete"
        changed = [
            ordinal
            for ordinal in reversed(wanted)
            if rolls and ordinal in there and ordinal - start >= rolling.get("partition", 0)
        ]
        surplus = [pod for ordinal, pod in there.items() if ordinal not in wanted]
        fresh = [ordinal for ordinal in wanted if ordinal not in there]
        rollout = Rollout(
            str(manifest),
            len(wanted),
            tuple(self._member(obj, ordinal) for ordinal in (*fresh, *changed)),
            (*surplus, *(there[ordinal] for ordinal in changed)),
            len(wanted) - len(fresh) - len(changed),
            unavailable=scaled(rolling.get("maxUnavailable") or 1, len(wanted), round_up=False) or 1,
            in_order=spec.get("podManagementPolicy") != "Parallel",
        )
        return Planned(rollout, tuple(self._claims(obj, fresh)))

    def _member(self, sts: Any, ordinal: int) -> Pod:
        pod = set_pods.new_pod(sts, sts["spec"]["template"], ordinal, "whatif")
        return admit(pod, key_of(sts).namespace, self.live)

    def _claims(self, sts: Any, ordinals: Iterable[int]) -> Iterable[tuple[Resource[Any], Any]]:
        namespace, name = key_of(sts)
        for ordinal in ordinals:
            for claim in set_pods.claims_of(sts, f"{name}-{ordinal}").values():
                claim["metadata"]["namespace"] = namespace
                if self.live.get(PERSISTENTVOLUMECLAIMS, key_of(claim)) is None:
                    yield PERSISTENTVOLUMECLAIMS, claim

    def _daemonset(self, manifest: Manifest, obj: Any) -> Planned:
        spec = obj["spec"]["template"]["spec"]
        there = {node_of(pod): pod for pod in self.live.controlled(PODS, manifest.before)}
        verdicts = {node["metadata"]["name"]: (node, *should_run(spec, node)) for node in self.nodes}
        wanted = [name for name, (_, starts, _) in sorted(verdicts.items()) if starts]
        wrong = [pod for name, pod in there.items() if name not in verdicts or not verdicts[name][2]]
        changed = [] if _same_template(manifest) else [name for name in wanted if name in there]
        fresh = [name for name in wanted if name not in there]
        rolling: Any = (obj["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        rollout = Rollout(
            str(manifest),
            len(wanted),
            tuple(self._daemon(obj, verdicts[name][0]) for name in (*fresh, *changed)),
            (*wrong, *(there[name] for name in changed)),
            len(wanted) - len(fresh) - len(changed),
            unavailable=scaled(rolling.get("maxUnavailable") or 1, len(wanted), round_up=True),
        )
        return Planned(rollout)

    def _daemon(self, ds: Any, node: Any) -> Pod:
        pod = new_pod(ds["spec"]["template"], ds, DAEMONSETS)
        pod["spec"] = pinned(pod["spec"], node["metadata"]["name"])
        return admit(pod, key_of(ds).namespace, self.live)

    def _job(self, manifest: Manifest, obj: Any) -> Planned:
        """A job that is there goes on as it is: its template cannot be changed."""
        spec, name = obj["spec"], str(manifest)
        if manifest.before is not None or spec.get("suspend"):
            return Planned(Rollout(name, 0))
        parallelism = spec.get("parallelism", 1)
        count = min(parallelism, spec.get("completions") or parallelism)
        return Planned(Rollout(name, count, (self._new(obj, JOBS),) * count if count else ()))

    def _new(self, owner: Any, of: Resource[Any]) -> Pod:
        return admit(new_pod(owner["spec"]["template"], owner, of), key_of(owner).namespace, self.live)


_PLANS: Mapping[Resource[Any], Callable[[Planner, Manifest, Any], Planned]] = {
    DEPLOYMENTS: Planner._deployment,
    REPLICASETS: Planner._replicas,
    REPLICATIONCONTROLLERS: Planner._replicas,
    STATEFULSETS: Planner._statefulset,
    DAEMONSETS: Planner._daemonset,
    JOBS: Planner._job,
}


def _ranked(pods: Sequence[Pod], now: datetime) -> list[Pod]:
    """Return pods in the order in which they are missed least."""
    first = to_delete(pods, (), len(pods) - 1, now) if pods else []
    return [*first, *(pod for pod in pods if pod not in first)]


def _same_template(manifest: Manifest) -> bool:
    before = manifest.before
    return before is not None and before["spec"].get("template") == manifest.obj["spec"].get("template")


def node_list(live: Live, objects: Iterable[tuple[Resource[Any], Any]]) -> list[Any]:
    """Return all nodes: those that are there, and those that come or change."""
    nodes: dict[Key, Any] = {key_of(node): node for node in live.all(NODES)}
    nodes |= {key_of(obj): obj for resource, obj in objects if resource is NODES}
    return [{**node, "spec": node.get("spec") or {}} for node in nodes.values()]
