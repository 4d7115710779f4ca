"""The local cluster on paper."""

import ipaddress
from pathlib import Path

import pytest

from cli.cluster.containerd import compute_config
from cli.cluster.layout import MAX_NODES, Layout, Settings
from cli.cluster.processes import compute_processes


def _layout(**settings) -> Layout:
    return Layout(Path("/d"), Settings(**{"index": 2, "nodes": 3, **settings}))


def test_settings_survive_the_file():
    settings = Settings(index=3, nodes=2, extra={"controllers": ("--x=1",)}, components=("apiserver",))
    assert Settings.from_json(settings.to_json()) == settings


def test_two_clusters_share_no_network_and_no_name():
    one, two = _layout(index=0), _layout(index=1)
    for attribute in ("bridge", "cluster_cidr", "service_cidr", "node_network", "gateway", "cgroup_root"):
        assert getattr(one, attribute) != getattr(two, attribute)
    assert {n.netns for n in one.nodes()}.isdisjoint(n.netns for n in two.nodes())


def test_there_are_pod_ranges_for_all_hollow_nodes():
    crowd = _layout(runtime="hollow", nodes=MAX_NODES["hollow"])
    ranges = ipaddress.ip_network(crowd.cluster_cidr).num_addresses >> 8
    assert ranges > MAX_NODES["hollow"]
    assert not ipaddress.ip_network(crowd.cluster_cidr).overlaps(ipaddress.ip_network(crowd.service_cidr))


def test_a_real_node_has_a_runtime_an_agent_a_proxy_and_dns_in_its_namespace():
    processes = [p for p in compute_processes(_layout(), ("etcd",)) if p.node == "node-2"]
    assert [p.name for p in processes] == ["node-2-containerd", "node-2-agent", "node-2-proxy", "node-2-dns"]
    assert {p.netns for p in processes} == {"pel2-node-2"}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        pytest.param(
            {"nodes": 0}, ["etcd", "apiserver", "scheduler", "controllers"], id="control-plane-alone"
        ),
        pytest.param(
            {"nodes": 0, "components": ("apiserver",)}, ["etcd", "apiserver"], id="api-server-alone"
        ),
        pytest.param(
            {"runtime": "hollow"},
            ["etcd", "apiserver", "scheduler", "controllers", "hollow"],
            id="hollow-nodes",
        ),
    ],
)
def test_processes(settings, names):
    assert [p.name for p in compute_processes(_layout(**settings), ("etcd",))] == names


def test_extra_flags_reach_their_component_only():
    layout = _layout(extra={"controllers": ("--node-monitor-grace-period=8s",)})
    with_flag = [p.name for p in compute_processes(layout, ()) if "--node-monitor-grace-period=8s" in p.argv]
    assert with_flag == ["controllers"]


@pytest.mark.parametrize(("may", "word"), [(True, "false"), (False, "true")])
def test_oom_scores_are_restricted_where_the_machine_does_not_let_them_be_lowered(may, word):
    text = compute_config(_layout().node(1), Path("/cni"), may)
    assert f"restrict_oom_score_adj = {word}" in text
