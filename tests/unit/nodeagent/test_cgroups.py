from pathlib import Path

from nodeagent.cgroups import Cgroups, Hierarchies, parse_mounts
from nodeagent.resources import Limits

HYBRID = """\
31 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro
32 31 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
33 31 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
"""


def test_hybrid_hosts_are_v1():
    found = parse_mounts(HYBRID)
    assert found.v1["cpu"] == found.v1["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert found.v1["memory"] == Path("/sys/fs/cgroup/memory")
    assert found.unified == Path("/sys/fs/cgroup/unified")
    assert not found.is_v2
    assert len(found.roots) == 4


def test_unified_hosts_are_v2():
    assert parse_mounts("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").is_v2


def test_v1_limits_go_to_their_controllers(tmp_path):
    cgroups = Cgroups(Hierarchies({"cpu": tmp_path / "cpu", "memory": tmp_path / "memory"}))
    cgroups.ensure("/kubepods/podx", Limits(102, 20000, 64))
    pod = tmp_path / "cpu/kubepods/podx"
    assert (pod / "cpu.shares").read_text() == "102"
    assert (pod / "cpu.cfs_quota_us").read_text() == "20000"
    assert (tmp_path / "memory/kubepods/podx/memory.limit_in_bytes").read_text() == "64"


def test_v2_enables_controllers_on_the_way_down(tmp_path):
    (tmp_path / "kubepods").mkdir()
    for folder in (tmp_path, tmp_path / "kubepods"):
        (folder / "cgroup.controllers").write_text("cpu memory")
    Cgroups(Hierarchies({}, tmp_path)).ensure("/kubepods/podx", Limits(1024, 0, 64))
    assert (tmp_path / "kubepods/cgroup.subtree_control").read_text() == "+memory"
    assert (tmp_path / "kubepods/podx/cpu.weight").read_text() == "39"
    assert (tmp_path / "kubepods/podx/memory.max").read_text() == "64"


def test_removal_takes_what_is_below_and_may_be_repeated(tmp_path):
    (tmp_path / "kubepods/podx/inner").mkdir(parents=True)
    cgroups = Cgroups(Hierarchies({"cpu": tmp_path}))
    assert cgroups.remove("/kubepods/podx")
    assert cgroups.remove("/kubepods/podx")
    assert (tmp_path / "kubepods").is_dir()


def test_what_is_busy_is_not_removed(tmp_path):
    (tmp_path / "podx").mkdir()
    (tmp_path / "podx/busy").write_text("")
    assert not Cgroups(Hierarchies({"cpu": tmp_path})).remove("/podx")
