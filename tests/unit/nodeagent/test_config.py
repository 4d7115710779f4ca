from pathlib import Path

import pytest

from kit.config import parse
from nodeagent.config import Config, parse_taint


def config(*argv):
    return parse(Config, ["--kubeconfig", "k", *argv], "node", "")


def test_flags_bear_upstreams_names():
    found = config(
        "--node-ip=10.0.0.1,10.0.0.2", "--node-labels=a=b,c=", "--register-with-taints=k=v:NoSchedule",
        "--system-reserved=cpu=500m,memory=1Gi", "--kube-reserved=cpu=100m", "--node-lease-duration=4s",
        "--cgroup-root=/n1", "--configure-cni=false", "--pod-manifest-path=/m",
    )  # fmt: skip
    assert found.node_ip == ("10.0.0.1", "10.0.0.2")
    assert found.labels == {"a": "b", "c": ""}
    assert found.taints == [{"key": "k", "value": "v", "effect": "NoSchedule"}]
    assert found.reserved == {"cpu": 600, "memory": 1 << 30}
    assert found.node_lease_duration_s == 4
    assert not found.configure_cni
    assert found.pod_manifest_path == Path("/m")


def test_a_taint_without_a_value():
    assert parse_taint("k:NoExecute") == {"key": "k", "effect": "NoExecute"}


@pytest.mark.parametrize("text", ["k", "k:Sometimes", "k=v"])
def test_malformed_taints(text):
    with pytest.raises(ValueError, match="invalid taint"):
        parse_taint(text)


def test_malformed_labels():
    with pytest.raises(ValueError, match="key=value"):
        _ = config("--node-labels=nothing").labels
