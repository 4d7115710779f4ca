"""`pelamis why` and `why-not`: what the scheduler says of pods on real nodes, and that its advice helps."""

import json

from api.patch.json import apply_patch
from tests.e2e.scheduling import asking, refuse
from tests.e2e.space import container, pod


def test_what_is_advised_helps(space, cluster):
    """A pod that asks for too much is made anew as advised, and runs."""
    refuse(space, pod("greedy", container(**asking(cpu="1000"))))
    words = ("why", "pod/greedy", "-n", space.name)
    text = cluster.pelamis(*words)
    assert f"pod {space.name}/greedy: no node would do" in text
    assert "Insufficient cpu" in text
    doc = json.loads(cluster.pelamis(*words, "-o", "json"))
    first = doc["advice"][0]
    assert first["kind"] == "LowerRequest"
    assert f"  1. {first['text']}" in text
    changed = apply_patch(pod("modest", container(**asking(cpu="1000"))), first["patch"])
    (placed,) = space.run(changed)
    told = json.loads(cluster.pelamis("why", "modest", "-n", space.name, "-o", "json"))
    assert told["outcome"] == "Scheduled"
    assert told["node"] == placed["spec"]["nodeName"]


def test_why_a_pod_is_not_on_a_node(space, cluster):
    (placed,) = space.run(pod("web"))
    nodes = [node["metadata"]["name"] for node in cluster.items("nodes")]
    here = placed["spec"]["nodeName"]
    assert cluster.pelamis("why-not", "pod/web", here, "-n", space.name).strip().endswith(f"is on {here}")
    for other in nodes:
        if other != here:
            text = cluster.pelamis("why-not", "pod/web", other, "-n", space.name)
            assert f"is on {here}" in text
            assert f"Now {other} " in text
    raw = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{space.name}/pods/web/decision?node={here}")
    assert json.loads(raw)["onNode"]["now"]["feasible"] is True


def test_pods_that_are_gone_still_answer(space, cluster):
    (placed,) = space.run(pod("brief"))
    space.delete("pods", "brief", gracePeriodSeconds=0)
    text = cluster.pelamis("why", "pod/brief", "-n", space.name)
    assert f"placed on {placed['spec']['nodeName']}" in text
