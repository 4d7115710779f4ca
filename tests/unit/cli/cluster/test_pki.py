"""Certificates of a local cluster: made once, made anew before they end, never to be read by others."""

from datetime import timedelta

from cli.cluster.layout import Layout, Settings
from cli.cluster.pki import write_pki
from kit import clock


def _files(layout):
    return {path.name: path.read_bytes() for path in layout.pki.iterdir()}


def test_certificates_are_kept_until_they_end_soon_and_the_authority_stays(tmp_path):
    layout = Layout(tmp_path, Settings(index=0, nodes=1))
    write_pki(layout)
    first = _files(layout)
    with clock.use(clock.ManualClock(clock.now() + timedelta(days=200))):
        write_pki(layout)
    assert _files(layout) == first
    with clock.use(clock.ManualClock(clock.now() + timedelta(days=320))):
        write_pki(layout)
    changed = {name for name, data in _files(layout).items() if first[name] != data}
    assert {"apiserver.crt", "admin.key", "node-1.crt", "node-1.kubeconfig"} <= changed
    assert not changed & {"ca.crt", "ca.key", "front-proxy-ca.crt", "sa.key"}


def test_nobody_else_may_read_what_is_secret(tmp_path):
    layout = Layout(tmp_path, Settings(index=0, nodes=1))
    write_pki(layout)
    secret = [*layout.pki.glob("*.key"), *layout.pki.glob("*.kubeconfig"), layout.kubeconfig]
    assert len(secret) > 8
    assert {oct(path.stat().st_mode & 0o777) for path in secret} == {"0o600"}


def test_a_crowd_of_hollow_nodes_has_one_certificate(tmp_path):
    layout = Layout(tmp_path, Settings(index=0, nodes=51, runtime="hollow"))
    write_pki(layout)
    names = {path.name for path in layout.pki.iterdir()}
    assert "hollow.kubeconfig" in names
    assert not [name for name in names if name.startswith("node-")]
