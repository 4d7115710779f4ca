"""The CNI configuration of a node."""

from pathlib import Path

import orjson

from nodeagent.network.cni import FILE, NetworkSettings, compute_conflist, write_conflist


def test_pods_get_addresses_of_the_nodes_range_and_host_ports():
    settings = NetworkSettings(Path("/conf"), Path("/data"), bridge="br9", mtu=1450)
    bridge, portmap = compute_conflist(settings, "10.1.2.0/24")["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.1.2.0/24"}]]
    assert bridge["ipam"]["dataDir"] == "/data"
    assert (bridge["bridge"], bridge["mtu"], bridge["ipMasq"]) == ("br9", 1450, False)
    assert portmap["capabilities"] == {"portMappings": True}


def test_the_file_is_written_when_it_differs(tmp_path):
    settings = NetworkSettings(tmp_path / "net.d", tmp_path / "data")
    assert write_conflist(settings, "10.1.2.0/24")
    assert not write_conflist(settings, "10.1.2.0/24")
    assert write_conflist(settings, "10.1.3.0/24")
    assert orjson.loads((tmp_path / "net.d" / FILE).read_bytes())["name"] == "pelamis"
