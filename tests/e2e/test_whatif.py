"""What `pelamis whatif` foresees, then comes about with kubectl; and that asking changes nothing."""

import json
import subprocess
from collections import Counter
from typing import Any

from tests.e2e.harness import PELAMIS, eventually, run
from tests.e2e.space import Space, conditions, deployment


def _ask(space: Space, *words: str, text: str = "") -> Any:
    """Return the answer; the exit code says whether all pods would have a place, others' too."""
    command = [*PELAMIS, "whatif", *words, "-o", "json", "-n", space.name]
    return json.loads(run(command, text=text, check=False, env=space.cluster.environment))


def _running(space: Space, count: int) -> Counter[str]:
    """Wait until so many pods are ready and no others are there; return how many are on each node."""

    def look() -> Counter[str] | None:
        pods = space.items("pods")
        ready = [one for one in pods if conditions(one).get("Ready") == "True"]
        if len(pods) != count or len(ready) != count:
            return None
        return Counter(one["spec"]["nodeName"] for one in ready)

    found: Counter[str] = eventually(look, f"{count} pods are ready")
    return found


def test_a_drain_is_foreseen(space: Space) -> None:
    space.create("deployments", deployment("web", 4))
    before = _running(space, 4)
    node, _ = before.most_common(1)[0]
    # The pods' own revisions: others write to the cluster meanwhile.
    known = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in space.items("pods")}
    answer = _ask(space, "drain", node)
    assert {
        one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in space.items("pods")
    } == known
    foreseen = Counter(before)
    del foreseen[node]
    foreseen += Counter(each["node"] for each in answer["placements"] if each["namespace"] == space.name)
    assert [each for each in answer["pending"] if each["namespace"] == space.name] == []
    try:
        space.cluster.kubectl(
            "drain", node, "--ignore-daemonsets", "--pod-selector=app=web", "--timeout=60s", timeout_s=90
        )
        assert _running(space, 4) == foreseen
    finally:
        space.cluster.kubectl("uncordon", node)


def test_what_a_manifest_would_do(space: Space) -> None:
    wanted = deployment("web", 3)
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}
    answer = _ask(space, "apply", "-f", "-", text=json.dumps(wanted))
    mine = [each for each in answer["pending"] if each["namespace"] == space.name]
    assert len(mine) == 3
    assert "Insufficient cpu" in mine[0]["message"]
    assert space.items("deployments") == []


def test_a_node_that_is_not_there(space: Space) -> None:
    command = [*PELAMIS, "whatif", "drain", "node-99"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=space.cluster.environment, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (2, "pelamis whatif drain: there is no node node-99\n")
