"""Which processes a local cluster has, and what they are told."""

from pathlib import Path

import pytest

from cli.cluster.layout import Layout, Settings
from cli.cluster.processes import compute_processes


def layout(folder="/c", **settings):
    return Layout(Path(folder), Settings(2, **settings))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        pytest.param({"nodes": 0}, ["apiserver", "scheduler", "controllers"], id="control-plane-alone"),
        pytest.param({"nodes": 0, "components": ("apiserver",)}, ["apiserver"], id="api-alone"),
        pytest.param(
            {"nodes": 9, "runtime": "hollow"},
            ["apiserver", "scheduler", "controllers", "hollow"],
            id="all-hollow-nodes-in-one-process",
        ),
        pytest.param(
            {"nodes": 1, "components": ("apiserver",)},
            ["apiserver", "node-1-containerd", "node-1-agent", "node-1-proxy", "node-1-dns", "proxy"],
            id="a-node-has-its-own-containerd-agent-proxy-and-dns",
        ),
    ],
)
def test_names_in_the_order_of_starting(settings, names):
    assert [one.name for one in compute_processes(layout(**settings), ())] == names


def test_a_crowd_of_nodes_has_one_identity_and_nothing_to_serve():
    few, many = (compute_processes(layout(nodes=count, runtime="hollow"), ())[-1].argv for count in (50, 51))
    assert "--kubeconfig-template=/c/pki/{node}.kubeconfig" in few
    assert many == ("--nodes=51", "--root-dir=/c/nodes", "--kubeconfig=/c/pki/hollow.kubeconfig")


@pytest.mark.parametrize(
    ("store", "folder", "flag"),
    [
        pytest.param("memory", "/c", "--etcd-servers=memory:", id="memory"),
        pytest.param("sqlite", "/c", "--etcd-servers=sqlite:/c/store/pelamis.db", id="sqlite"),
        pytest.param("etcd", "/c", "--etcd-servers=unix:/c/store/etcd/etcd.sock:0", id="etcd-by-its-socket"),
        pytest.param(
            "etcd", "/" + "c" * 100, "--etcd-servers=https://127.0.0.1:23794", id="etcd-by-tls-if-too-deep"
        ),
        pytest.param("https://e:1", "/c", "--etcd-servers=https://e:1", id="someone-else's-etcd"),
    ],
)
def test_where_the_api_server_finds_its_store(store, folder, flag):
    found = {one.name: one.argv for one in compute_processes(layout(folder, store=store), ("etcd",))}
    assert flag in found["apiserver"]
