"""What workload controllers know about pods: made from a template, availability, whom to delete first.

Pure. Source: pkg/controller/controller_utils.go (1.36).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from api.owners import new_controller_ref
from api.podspec import is_pod_ready, pod_condition
from api.resource import Obj, Resource
from api.times import parse_time
from api.types.core_v1 import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def new_pod(template: Mapping[str, Any], owner: Mapping[str, Any], of: Resource[Any]) -> Obj:
    """Return a pod of `template` controlled by `owner`; the server completes the name after the owner's."""
    metadata = template.get("metadata") or {}
    kept = {name: metadata[name] for name in ("labels", "annotations", "finalizers") if metadata.get(name)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **kept,
            "generateName": f"{owner['metadata']['name']}-",
            "ownerReferences": [new_controller_ref(owner, of)],
        },
        "spec": template.get("spec") or {},
    }


def ready_since(pod: Mapping[str, Any]) -> datetime | None:
    """Return when the pod became ready, None if it is not."""
    condition = pod_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    text = condition.get("lastTransitionTime")
    return parse_time(text) if text else _LONG_AGO


def available_in_s(pod: Mapping[str, Any], min_ready_s: int, now: datetime) -> float | None:
    """Return the seconds until the pod counts as available (0: it does); None if it is not ready."""
    if min_ready_s == 0:
        return 0.0 if is_pod_ready(pod) else None
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, (since + timedelta(seconds=min_ready_s) - now).total_seconds())


def to_delete(pods: Sequence[Pod], related: Iterable[Pod], count: int, now: datetime) -> list[Pod]:
    """Return the `count` pods that will be missed least.

    In this order: without a node; pending; not ready; low deletion cost; on a node with many `related` pods;
    ready, restarted or created more recently (compared by powers of two, so that old pods share the fate).
    """
    if count >= len(pods):
        return list(pods)
    crowd = Counter(pod["spec"].get("nodeName", "") for pod in related)
    return sorted(pods, key=lambda pod: _worth(pod, crowd, now))[:count]


def _worth(pod: Pod, crowd: Mapping[str, int], now: datetime) -> tuple[Any, ...]:
    status = pod.get("status") or {}
    node = pod["spec"].get("nodeName", "")
    since = ready_since(pod)
    created = pod["metadata"].get("creationTimestamp")
    return (
        bool(node),
        _PHASES.get(status.get("phase", "Pending"), 0),
        since is not None,
        deletion_cost(pod),
        -crowd.get(node, 0),
        _age(since, now),
        -max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0),
        _age(parse_time(created) if created else None, now),
        pod["metadata"].get("uid", ""),
    )


def _age(moment: datetime | None, now: datetime) -> int:
    """Return the age as a power of two of seconds, -1 for the very young and for none."""
    age_s = (now - moment).total_seconds() if moment else 0.0
    return int(math.log2(age_s)) if age_s >= 1.0 else -1


def deletion_cost(pod: Mapping[str, Any]) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0
