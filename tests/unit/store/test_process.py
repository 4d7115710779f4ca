from pathlib import Path

import pytest

from store.process import Certs, build_command, child_environment, socket_url

CERTS = Certs(Path("/pki/ca.crt"), Path("/pki/etcd.crt"), Path("/pki/etcd.key"))


@pytest.mark.parametrize(
    ("certs", "flag"),
    [
        pytest.param(None, "--listen-client-urls=http://127.0.0.1:1,unix://etcd.sock:0", id="plain"),
        pytest.param(None, "--initial-cluster=pelamis=http://127.0.0.1:2", id="peer"),
        pytest.param(CERTS, "--listen-client-urls=https://127.0.0.1:1,unix://etcd.sock:0", id="tls"),
        pytest.param(CERTS, "--client-cert-auth=true", id="only-clients-with-certificates"),
        pytest.param(CERTS, "--peer-trusted-ca-file=/pki/ca.crt", id="peers-with-certificates"),
        pytest.param(CERTS, "--auto-compaction-retention=0", id="the-api-server-compacts"),
    ],
)
def test_command(certs, flag):
    command = build_command("etcd", Path("/data"), 1, 2, certs)
    assert command[3:6] == ["sh", "/data", "etcd"]
    assert flag in command


def test_plain_has_no_certificates():
    assert not [flag for flag in build_command("etcd", Path("/data"), 1, 2, None) if "cert" in flag]


def test_settings_of_another_etcd_are_not_inherited(monkeypatch):
    monkeypatch.setenv("ETCD_DATA_DIR", "/elsewhere")
    monkeypatch.setenv("PATH", "/bin")
    environment = child_environment()
    assert "ETCD_DATA_DIR" not in environment
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("directory", "url"),
    [
        pytest.param("/data", "unix:/data/etcd.sock:0", id="short"),
        pytest.param("/d" * 60, None, id="too-long-for-a-socket"),
    ],
)
def test_socket(directory, url):
    assert socket_url(Path(directory)) == url
