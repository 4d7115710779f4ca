"""Predicted, then really done: random small clusters with the real API server, scheduler and controllers.

`WHATIF_CASES` says how many (CI: a few), `WHATIF_SEED` from which seed on.
"""

import argparse
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from api.errors import NotFound, StatusError, TooManyRequests
from api.resource import Resource
from api.types.apps_v1 import DEPLOYMENTS, REPLICASETS
from api.types.core_v1 import NODES, PODS, SERVICEACCOUNTS
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from api.types.scheduling_v1 import PRIORITYCLASSES
from cli.verbs.whatif import ask, parse
from cli.whatif.fetch import fetch
from client.api import Client
from client.informer import Informer
from controllers.app import run_with as run_controllers
from controllers.config import Config as ControllersConfig
from kit import clock
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.app import run_with as run_scheduler
from scheduler.config import Config
from scheduler.configuration.model import Configuration
from scheduler.whatif.report import Report
from tests.integration.in_process import serving, until

CASES, FIRST = int(os.environ.get("WHATIF_CASES", "4")), int(os.environ.get("WHATIF_SEED", "0"))
# Enough of the controllers to make pods again and to keep budgets.
CONTROLLERS = ("deployment-controller", "replicaset-controller", "disruption-controller")
WATCHED: tuple[Resource[Any], ...] = (PODS, REPLICASETS, DEPLOYMENTS, PODDISRUPTIONBUDGETS, NODES)
# Containers take longer to start than the scheduler rests after an attempt; that long nothing must move until
# the cluster counts as settled.
STARTS_IN_S, BACKOFF_S = 1.3, 1
# Between two deletions, so that their order is the order of what comes of them.
PAUSE_S = 0.2
# Where each pod of a workload is: (workload, node), "" for no node.
Places = Counter[tuple[str, str]]


class World:
    """A cluster whose nodes run any pod at once."""

    def __init__(self, client: Client, tasks: Tasks) -> None:
        self.client, self.tasks = client, tasks
        self.pods: Informer[Any] = Informer(client, PODS)
        # When the test has first seen a pod on a node, by uid.
        self._bound: dict[str, float] = {}

    async def start(self) -> None:
        await self.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
        self.tasks.spawn(self.pods.run(), "pods of the test")
        await self.pods.synced()
        self.tasks.spawn(self._run_pods(), "nodes of the test")
        controllers = ControllersConfig(
            kubeconfig=Path("unused"), secure_port=0, leader_elect=False, controllers=CONTROLLERS
        )
        self.tasks.spawn(run_controllers(self.client, controllers), "controllers")
        said = Configuration(pod_initial_backoff_s=BACKOFF_S, pod_max_backoff_s=BACKOFF_S)
        settings = Config(kubeconfig=Path("unused"), secure_port=0, leader_elect=False, file=said)
        self.tasks.spawn(run_scheduler(self.client, settings), "scheduler")

    async def _run_pods(self) -> None:
        while True:
            for pod in list(self.pods.list()):
                with suppress(StatusError):
                    await self._run_pod(pod)
            await clock.sleep(0.02)

    async def _run_pod(self, pod: Any) -> None:
        metadata, status = pod["metadata"], pod.get("status") or {}
        if "deletionTimestamp" in metadata:
            await self.client.delete(PODS, metadata["name"], "default", grace_period_s=0, uid=metadata["uid"])
        elif pod["spec"].get("nodeName") and status.get("phase") != "Running":
            bound = self._bound.setdefault(metadata["uid"], clock.monotonic())
            if clock.monotonic() < bound + STARTS_IN_S:
                return
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            conditions = [c for c in status.get("conditions") or () if c["type"] != "Ready"]
            running = {"phase": "Running", "podIP": "10.1.0.1", "conditions": [*conditions, ready]}
            await self.client.update(PODS, {**pod, "status": running}, subresource="status")

    async def settled(self) -> None:
        """Wait until nothing has moved for some time, and the scheduler has nothing more to try."""
        quiet, before = 0, ""
        while quiet * 0.1 < STARTS_IN_S:
            await clock.sleep(0.1)
            now = orjson.dumps(
                [
                    [obj["metadata"]["resourceVersion"] for obj in (await self.client.list(each)).items]
                    for each in WATCHED
                ]
            ).decode()
            quiet = quiet + 1 if now == before and _is_idle() and await self._is_whole() else 0
            before = now

    async def _is_whole(self) -> bool:
        live: list[Any] = (await self.client.list(PODS)).items
        if any("deletionTimestamp" in pod["metadata"] for pod in live):
            return False
        sets = (await self.client.list(REPLICASETS)).items
        wanted = sum((rs["spec"].get("replicas") or 0) for rs in sets)
        return len([pod for pod in live if pod["metadata"].get("ownerReferences")]) == wanted

    async def places(self) -> Places:
        return Counter((_workload(pod), _node(pod)) for pod in (await self.client.list(PODS)).items)

    async def revision(self) -> str:
        """Return the store's revision: it grows with every write."""
        return (await self.client.list(NODES)).resource_version


def _is_idle() -> bool:
    text = REGISTRY.render().decode()
    return all(f'scheduler_pending_pods{{queue="{queue}"}} 0\n' in text for queue in ("active", "backoff"))


def _workload(pod: Any) -> str:
    return str(pod["metadata"]["labels"]["app"])


def _node(pod: Any) -> str:
    return str(pod["spec"].get("nodeName") or "")


@asynccontextmanager
async def new_world() -> AsyncIterator[World]:
    async with serving() as client:
        tasks = Tasks()
        world = World(client, tasks)
        await world.start()
        yield world
        await tasks.close()


# -- random clusters


def _node_object(rng: random.Random, name: str) -> Any:
    offers = {"cpu": f"{rng.randrange(20, 80) * 100}m", "memory": f"{rng.randrange(4, 32)}Gi", "pods": "110"}
    labels = {"kubernetes.io/hostname": name, "zone": rng.choice("abc"), "disk": rng.choice(("ssd", "hdd"))}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": offers, "capacity": offers},
    }


def _deployment(rng: random.Random, name: str) -> Any:
    labels = {"app": name}
    requests = {"cpu": f"{rng.randrange(1, 16) * 100}m", "memory": f"{rng.randrange(100, 2000)}Mi"}
    spec: dict[str, Any] = {
        "containers": [{"name": "main", "image": "app:1", "resources": {"requests": requests}}],
        "terminationGracePeriodSeconds": 0,
    }
    select = {"matchLabels": labels}
    match rng.randrange(8):
        case 0:
            spec["nodeSelector"] = {"zone": rng.choice("abc")}
        case 1:
            term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": select}
            spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        case 2:
            spread: Any = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            spec["topologySpreadConstraints"] = [{**spread, "labelSelector": select}]
        case 3:
            spec["priorityClassName"] = "vip"
        case 4:
            expression = {"key": "disk", "operator": "In", "values": ["ssd"]}
            preferred = {"weight": 50, "preference": {"matchExpressions": [expression]}}
            spec["affinity"] = {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}
            }
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "replicas": rng.randrange(1, 6),
            "selector": select,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _budget(rng: random.Random, name: str) -> Any:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"maxUnavailable": rng.randrange(0, 3), "selector": {"matchLabels": {"app": name}}},
    }


async def _populate(world: World, rng: random.Random) -> list[Any]:
    client = world.client
    await client.create(PRIORITYCLASSES, {"metadata": {"name": "vip"}, "value": 1000})
    for number in range(rng.randrange(4, 8)):
        made = await client.create(NODES, _node_object(rng, f"n{number}"))
        await client.update(NODES, {**made, "spec": {}})
    deployments = [_deployment(rng, f"w{number}") for number in range(rng.randrange(5, 12))]
    for deployment in deployments:
        if not rng.randrange(3):
            await client.create(PODDISRUPTIONBUDGETS, _budget(rng, deployment["metadata"]["name"]))
        # Admission may not have seen the new PriorityClass yet.
        await until(partial(client.create, DEPLOYMENTS, deployment))
    await world.settled()
    return deployments


# -- questions, and how they come true

Doing = Callable[[World], Awaitable[None]]


async def _drain(world: World, rng: random.Random) -> tuple[list[str], Doing]:
    name = rng.choice((await world.client.list(NODES)).items)["metadata"]["name"]

    async def do(world: World) -> None:
        await world.client.patch(NODES, name, body={"spec": {"unschedulable": True}})
        while True:
            pods = (await world.client.list(PODS, field_selector=f"spec.nodeName={name}")).items
            gone = [await _evict(world.client, pod) for pod in pods]
            await world.settled()
            if not any(gone):
                return

    return ["drain", name], do


async def _evict(client: Client, pod: Any) -> bool:
    name = pod["metadata"]["name"]
    try:
        body = {"metadata": {"name": name, "namespace": "default"}}
        await client.create(PODS, body, "default", subresource="eviction", name=name)
    except TooManyRequests:
        return False
    except NotFound:
        pass
    await clock.sleep(PAUSE_S)
    return True


async def _lose(world: World, rng: random.Random) -> tuple[list[str], Doing]:
    zones = sorted({node["metadata"]["labels"]["zone"] for node in (await world.client.list(NODES)).items})
    zone = rng.choice(zones)

    async def do(world: World) -> None:
        lost = (await world.client.list(NODES, label_selector=f"zone={zone}")).items
        for node in lost:
            await world.client.delete(NODES, node["metadata"]["name"])
        names = {node["metadata"]["name"] for node in lost}
        for pod in (await world.client.list(PODS)).items:
            if _node(pod) in names:
                await world.client.delete(PODS, pod["metadata"]["name"], "default", grace_period_s=0)
                await clock.sleep(PAUSE_S)

    return ["lose", f"zone={zone}"], do


async def _add_nodes(world: World, rng: random.Random) -> tuple[list[str], Doing]:
    template = rng.choice((await world.client.list(NODES)).items)
    name = template["metadata"]["name"]

    async def do(world: World) -> None:
        for number in (1, 2):
            new = f"{name}-new-{number}"
            labels = {**template["metadata"]["labels"], "kubernetes.io/hostname": new}
            status = {key: template["status"][key] for key in ("allocatable", "capacity")}
            made = await world.client.create(
                NODES, {"metadata": {"name": new, "labels": labels}, "status": status}
            )
            await world.client.update(NODES, {**made, "spec": {}})
            await clock.sleep(STARTS_IN_S)

    return ["add-nodes", "2", name], do


def _apply_new(rng: random.Random, there: list[Any]) -> Any:
    return _deployment(rng, "w99")


def _apply_scaled(rng: random.Random, there: list[Any]) -> Any:
    chosen = rng.choice(there)
    return {**chosen, "spec": {**chosen["spec"], "replicas": rng.randrange(0, 9)}}


def _apply_rolled(rng: random.Random, there: list[Any]) -> Any:
    chosen = orjson.loads(orjson.dumps(rng.choice(there)))
    main = chosen["spec"]["template"]["spec"]["containers"][0]
    main["resources"]["requests"]["cpu"] = f"{rng.randrange(1, 20) * 100}m"
    return chosen


async def _question(
    world: World, rng: random.Random, there: list[Any], folder: Path
) -> tuple[list[str], Doing]:
    kind = rng.randrange(6)
    if kind < 3:
        return await (_drain, _lose, _add_nodes)[kind](world, rng)
    deployment = (_apply_new, _apply_scaled, _apply_rolled)[kind - 3](rng, there)
    file = folder / "manifest.json"
    full = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment}
    file.write_bytes(orjson.dumps(full))

    async def do(world: World) -> None:
        name = deployment["metadata"]["name"]
        try:
            await world.client.patch(DEPLOYMENTS, name, "default", full, kind="strategic")
        except NotFound:
            await world.client.create(DEPLOYMENTS, deployment)

    return ["apply", "-f", str(file)], do


async def _predict(world: World, words: list[str]) -> Report:
    args: argparse.Namespace = parse("whatif", words)
    settings = Config(kubeconfig=Path("unused"))
    return ask(args, await fetch(world.client), settings, "default").report


def _foreseen(before: Places, report: Report) -> Places:
    after = Counter(before)
    after -= Counter((_workload(each.pod), _node(each.pod)) for each in report.departures)
    # Pods that waited before are told again, with or without a node.
    for workload, node in list(after):
        if not node:
            del after[workload, node]
    after += Counter((_workload(each.pod), each.node) for each in report.placements)
    after += Counter((_workload(each.pod), "") for each in report.waiting)
    return after


@dataclass(frozen=True)
class Outcome:
    """How many pods have come to nodes, how many of them to others than foreseen, and who waits."""

    moved: int
    elsewhere: int
    waiting: Places
    foreseen: Places


async def _try_out(seed: int, folder: Path) -> Outcome:
    rng = random.Random(seed)
    async with new_world() as world:
        there = await _populate(world, rng)
        words, do = await _question(world, rng, there, folder)
        before, revision = await world.places(), await world.revision()
        report = await _predict(world, words)
        assert await world.revision() == revision, "a what-if has written something"
        await do(world)
        await world.settled()
        after, foreseen = await world.places(), _foreseen(before, report)
    if os.environ.get("WHATIF_SEED"):
        print(f"  before {sorted(before.items())}")
        print(f"  foreseen only {foreseen - after}; really only {after - foreseen}")
    found = Outcome(
        sum(count for (_, node), count in (after - before).items() if node),
        sum(count for (_, node), count in (after - foreseen).items() if node),
        _waiting(after),
        _waiting(foreseen),
    )
    print(f"seed {seed}: {' '.join(words)}: {found}")
    return found


def _waiting(places: Places) -> Places:
    return Counter({key: count for key, count in places.items() if not key[1]})


async def test_what_was_predicted_happens(tmp_path: Path) -> None:
    found = [await _try_out(seed, tmp_path) for seed in range(FIRST, FIRST + CASES)]
    moved, elsewhere = sum(each.moved for each in found), sum(each.elsewhere for each in found)
    same = sum(each.waiting == each.foreseen for each in found)
    print(
        f"{moved} pods moved, {elsewhere} elsewhere; who waits was foreseen in {same} of {len(found)} cases"
    )
    assert moved > len(found)
    # With a few cases, a race or two that the other side wins must not count as a fault.
    assert elsewhere <= max(4, 0.05 * moved)
    assert len(found) - same <= max(1, 0.05 * len(found))
