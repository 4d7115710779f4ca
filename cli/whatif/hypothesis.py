"""What users suppose, put together from manifests and from what is there. Pure."""

from datetime import datetime
from typing import Any

from api.core.node import defaults as node_defaults
from api.resource import key_of
from api.types.batch_v1 import CRONJOBS
from api.types.core_v1 import NODES, PODS
from cli.whatif.admission import admit
from cli.whatif.live import Live
from cli.whatif.manifests import BadManifest, Manifest, read
from cli.whatif.workloads import Objects, Planner, node_list
from scheduler.whatif.hypotheses import Change, new_nodes


def applied(live: Live, data: bytes, namespace: str, now: datetime) -> tuple[Change, list[str]]:
    """Return the change that manifests make, and what of them is not looked at.

    Raises `BadManifest`, and `Forbidden` for pods that would not be let in.
    """
    manifests, notes = read(data, namespace, live)
    objects: Objects = tuple((each.resource, each.obj) for each in manifests if each.resource is not PODS)
    # What is applied counts for the pods of the same file: classes, limits, nodes.
    then = _with(live, objects)
    planner = Planner(then, node_list(live, objects), now)
    planned = [plan for each in manifests if (plan := planner.plan(each)) is not None]
    new = [
        node for each in manifests if each.resource is NODES and each.before is None for node in (each.obj,)
    ]
    pods = [admit(each.obj, each.key.namespace, then) for each in manifests if _is_new_pod(each, notes)]
    notes += [str(each) for each in manifests if each.resource is CRONJOBS]
    made = tuple(pair for plan in planned for pair in plan.objects)
    rollouts = tuple(plan.rollout for plan in planned)
    return Change(objects + made, (*pods, *planner.daemons(_complete(new))), rollouts), notes


def _is_new_pod(manifest: Manifest, notes: list[str]) -> bool:
    if manifest.resource is PODS and manifest.before is not None:
        notes.append(f"{manifest}, which is there already")
    return manifest.resource is PODS and manifest.before is None


def _with(live: Live, objects: Objects) -> Live:
    """Return what would be there: applied objects in the place of those of their names."""
    changed: dict[Any, dict[Any, Any]] = {}
    for resource, obj in objects:
        changed.setdefault(resource, {})[key_of(obj)] = obj
    merged = {
        resource: list(({key_of(obj): obj for obj in live.all(resource)} | new).values())
        for resource, new in changed.items()
    }
    return Live({**live.objects, **merged})


def more_nodes(live: Live, count: int, template: bytes | object, now: datetime) -> Change:
    """Return the change that new nodes make, with the pods of DaemonSets on them.

    `template` is a node, or a manifest of one. Raises `BadManifest`.
    """
    node: Any = _read_node(template, live) if isinstance(template, bytes) else template
    new = new_nodes(node, count, (each["metadata"]["name"] for each in live.all(NODES)))
    planner = Planner(live, (), now)
    return Change(tuple((NODES, each) for each in new), tuple(planner.daemons(_complete(new))))


def _read_node(data: bytes, live: Live) -> Any:
    manifests, _ = read(data, "default", live)
    if len(manifests) != 1 or manifests[0].resource is not NODES:
        raise BadManifest("the template must hold one Node and nothing else")
    return node_defaults(manifests[0].obj)


def _complete(nodes: list[Any]) -> list[Any]:
    return [{**node, "spec": node.get("spec") or {}} for node in nodes]
