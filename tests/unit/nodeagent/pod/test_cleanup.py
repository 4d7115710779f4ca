from types import SimpleNamespace
from typing import cast

import pytest

from nodeagent.cgroups import Cgroups, Hierarchies
from nodeagent.pod.cleanup import orphaned_logs, remove_orphans
from nodeagent.pod.edges import Edges, NodeSettings


@pytest.mark.parametrize(
    ("folders", "orphans"),
    [
        pytest.param(["ns_web-1_uid-1"], [], id="of-a-known-pod"),
        pytest.param(["ns_web-1_uid-2"], ["ns_web-1_uid-2"], id="of-nobody"),
        pytest.param(["lost+found", "a_b"], [], id="not-ours"),
    ],
)
def test_orphaned_logs(folders, orphans):
    assert orphaned_logs(folders, {"uid-1"}) == orphans


async def test_what_an_agent_left_that_was_killed_goes(tmp_path):
    logs, cpu, memory = tmp_path / "logs", tmp_path / "cpu", tmp_path / "memory"
    for folder in (logs / "ns_a_known", logs / "ns_b_gone" / "main"):
        folder.mkdir(parents=True)
    for group in ("n1/kubepods/podknown", "n1/kubepods/burstable/podgone", "n2/kubepods/podother"):
        (cpu / group).mkdir(parents=True)
        (memory / group).mkdir(parents=True)
    settings = NodeSettings("n1", log_dir=logs, cgroup_root="/n1")
    cgroups = Cgroups(Hierarchies({"cpu": cpu, "memory": memory}))
    await remove_orphans(cast(Edges, SimpleNamespace(settings=settings, cgroups=cgroups)), {"known"})
    assert [folder.name for folder in logs.iterdir()] == ["ns_a_known"]
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("pod*"))
    assert left == [
        "cpu/n1/kubepods/podknown", "cpu/n2/kubepods/podother",
        "memory/n1/kubepods/podknown", "memory/n2/kubepods/podother",
    ]  # fmt: skip
