"""Which cluster has which index."""

import os
import socket

import pytest

from cli.cluster import claims
from cli.cluster.claims import NoIndex, claim, release


@pytest.fixture(autouse=True)
def ports(monkeypatch):
    """Indexes whose ports somebody uses; none unless a test adds one."""
    taken: set[int] = set()
    monkeypatch.setattr(claims, "_are_ports_free", lambda number: number not in taken)
    return taken


def _cluster(folder):
    folder.mkdir()
    (folder / "cluster.json").write_text("{}")
    return folder


def test_an_index_is_kept_by_its_directory_and_given_again_when_the_cluster_is_gone(tmp_path):
    folders = [_cluster(tmp_path / name) for name in "abc"]
    root = tmp_path / "indexes"
    assert [claim(folder, root) for folder in folders[:2]] == [0, 1]
    assert claim(folders[1], root) == 1
    (folders[0] / "cluster.json").unlink()
    assert claim(folders[2], root) == 2, "a claim of this minute stands"
    release(folders[2], root)
    os.utime(root / "0", (0, 0))
    assert claim(folders[2], root) == 0
    release(folders[1], root)
    assert claim(tmp_path / "new", root) == 1


def test_a_cluster_gets_the_index_of_its_settings_back_after_a_reboot_or_nothing(tmp_path):
    old, new = _cluster(tmp_path / "old"), _cluster(tmp_path / "new")
    root = tmp_path / "indexes"
    assert claim(old, root, 3) == 3
    assert claim(old, root, 3) == 3
    with pytest.raises(NoIndex, match=r"old uses the same networks"):
        claim(new, root, 3)


def test_an_index_whose_ports_are_taken_is_passed_over(tmp_path, ports):
    ports.add(0)
    assert claim(_cluster(tmp_path / "a"), tmp_path / "indexes") == 1


def test_a_port_that_somebody_listens_on_cannot_be_bound():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not claims.can_bind(server.getsockname()[1])
