"""The atomic writer, on a real directory."""

import os
import stat
from pathlib import Path

import pytest

from nodeagent.volumes.atomic import FileContent, write_files


def content(data, mode=0o644):
    return FileContent(data, mode)


def shown(root):
    found = {}
    for folder, _, names in os.walk(root, followlinks=True):
        inner = os.path.relpath(folder, root)
        if not inner.startswith(".."):
            for name in names:
                path = Path(folder, name)
                found[str(path.relative_to(root))] = path.read_bytes()
    return found


def test_what_readers_see(tmp_path):
    assert write_files(tmp_path, {"a": content(b"1"), "d/e": content(b"2", 0o400)})
    assert shown(tmp_path) == {"a": b"1", "d/e": b"2"}
    assert (tmp_path / "a").is_symlink()
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert stat.S_IMODE((tmp_path / "d/e").stat().st_mode) == 0o400


def test_writing_the_same_changes_nothing(tmp_path):
    files = {"a": content(b"1")}
    write_files(tmp_path, files)
    before = os.readlink(tmp_path / "..data")
    assert not write_files(tmp_path, files)
    assert os.readlink(tmp_path / "..data") == before


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"a": content(b"2")}, id="changed"),
        pytest.param({"a": content(b"1", 0o600)}, id="mode"),
        pytest.param({"b": content(b"1")}, id="renamed"),
        pytest.param({}, id="emptied"),
        pytest.param({"a/b": content(b"1")}, id="file-becomes-folder"),
    ],
)
def test_an_update_replaces_everything_and_leaves_nothing(tmp_path, after):
    write_files(tmp_path, {"a": content(b"1"), "c/d": content(b"x")})
    assert write_files(tmp_path, after)
    assert shown(tmp_path) == {path: file.data for path, file in after.items()}
    left = {name for name in os.listdir(tmp_path) if name.startswith("..")}
    assert left == {"..data", os.readlink(tmp_path / "..data")}


def test_a_missing_link_is_repaired(tmp_path):
    files = {"a": content(b"1")}
    write_files(tmp_path, files)
    (tmp_path / "a").unlink()
    write_files(tmp_path, files)
    assert shown(tmp_path) == {"a": b"1"}


def test_group(tmp_path):
    write_files(tmp_path, {"a": content(b"1", 0o400), "d/e": content(b"2")}, gid=1001)
    found = (tmp_path / "a").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (1001, 0o440)
    assert (tmp_path / "d").stat().st_mode & 0o2000
    assert not write_files(tmp_path, {"a": content(b"1", 0o400), "d/e": content(b"2")}, gid=1001)
