"""Host names, hosts files and resolv.conf."""

import pytest

from nodeagent.hosts import (
    DNSConfig,
    DNSSettings,
    HostnameError,
    dns_config,
    hostname,
    hosts_file,
    is_hosts_file_managed,
    kernel_hostname,
    parse_resolv_conf,
)

HOST = DNSConfig(("9.9.9.9",), ("corp.example",), ("timeout:2",))
SETTINGS = DNSSettings(("10.96.0.10",), "cluster.local", HOST)


def pod(**spec):
    return {"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, ("web-0", ""), id="pod-name"),
        pytest.param({"hostname": "h"}, ("h", ""), id="hostname"),
        pytest.param({"subdomain": "s"}, ("web-0", "s.shop.svc.cluster.local"), id="subdomain"),
        pytest.param({"hostnameOverride": "a.b", "subdomain": "s"}, ("a.b", ""), id="override"),
    ],
)
def test_hostname(spec, expected):
    assert hostname(pod(**spec), "cluster.local") == expected


def test_kernel_hostname():
    assert kernel_hostname(pod(subdomain="s"), "cluster.local") == "web-0"
    full = pod(subdomain="s", setHostnameAsFQDN=True)
    assert kernel_hostname(full, "cluster.local") == "web-0.s.shop.svc.cluster.local"
    with pytest.raises(HostnameError, match="64 characters is the max, 74 characters requested"):
        kernel_hostname(pod(subdomain="s" * 45, setHostnameAsFQDN=True), "cluster.local")


def test_hosts_file():
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]
    text = hosts_file(pod(subdomain="s", hostAliases=aliases), ["10.1.0.5"], "cluster.local")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "\n10.1.0.5\tweb-0.s.shop.svc.cluster.local\tweb-0\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n123.45.67.89\tfoo\tbar\n")
    assert "\n10.1.0.5\tweb-0\n" in hosts_file(pod(), ["10.1.0.5"], "cluster.local")


def test_hosts_file_on_the_nodes_network():
    text = hosts_file(pod(hostNetwork=True), [], "cluster.local", "127.0.0.1 me\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n"


def test_a_mount_of_its_own_is_left_alone():
    assert is_hosts_file_managed({"name": "c"})
    assert not is_hosts_file_managed(
        {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/etc/hosts"}]}
    )


CLUSTER = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, DNSConfig(("10.96.0.10",), CLUSTER, ("ndots:5",)), id="cluster-first"),
        pytest.param({"dnsPolicy": "Default"}, HOST, id="default"),
        pytest.param({"hostNetwork": True}, HOST, id="host-network-uses-the-nodes"),
        pytest.param(
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            DNSConfig(("10.96.0.10",), CLUSTER, ("ndots:5",)),
            id="cluster-first-with-host-net",
        ),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]},
            },
            DNSConfig(("1.1.1.1",), ("resolv.conf.local",), ()),
            id="none",
        ),
        pytest.param(
            {
                "dnsConfig": {
                    "nameservers": ["10.96.0.10", "1.1.1.1"],
                    "searches": ["x", "cluster.local"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                }
            },
            DNSConfig(("10.96.0.10", "1.1.1.1"), (*CLUSTER, "x"), ("ndots:2", "edns0")),
            id="config-is-merged",
        ),
    ],
)
def test_dns_config(spec, expected):
    assert dns_config(pod(**spec), SETTINGS) == expected


def test_without_cluster_dns_the_nodes_is_used():
    assert dns_config(pod(), DNSSettings((), "cluster.local", HOST)) == HOST


def test_limits():
    config = {"nameservers": ["1", "2", "3", "4"], "searches": ["x" * 200 + str(i) for i in range(40)]}
    found = dns_config(pod(dnsPolicy="None", dnsConfig=config), SETTINGS)
    assert found.servers == ("1", "2", "3")
    assert len(" ".join(found.searches)) <= 2048


def test_parse_resolv_conf():
    lines = ["# x", "nameserver 1.1.1.1", "nameserver 2.2.2.2 # y", "domain a", "search b. c", "bad"]
    text = "\n".join([*lines, "options ndots:3 rotate\n"])
    found = parse_resolv_conf(text)
    assert found == DNSConfig(("1.1.1.1", "2.2.2.2"), ("b", "c"), ("ndots:3", "rotate"))
    assert parse_resolv_conf(found.render()) == found
