"""What the image builder puts into an archive, and that the pause program runs."""

import hashlib
import io
import json
import os
import platform
import signal
import subprocess
import tarfile
import time

import pytest

from cli.images.oci import File, Image, build_archive
from cli.images.pause import build_pause

IMAGE = Image(
    ("example.dev/a:1", "example.dev/a:2"), (File("etc"), File("etc/x", b"hello", 0o644)), ("/x",), ("-v",)
)


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        opened = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in opened.items() if file is not None}


def test_every_reference_is_in_the_index_and_every_blob_is_named_by_its_digest():
    members = _members(build_archive([IMAGE]))
    index = json.loads(members["index.json"])
    names = [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]]
    assert names == ["example.dev/a:1", "example.dev/a:2"]
    for name, data in members.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rsplit("/", 1)[1]


def test_config_carries_the_command_and_the_layer():
    members = _members(build_archive([IMAGE]))
    index = json.loads(members["index.json"])
    manifest = json.loads(members["blobs/sha256/" + index["manifests"][0]["digest"][7:]])
    config = json.loads(members["blobs/sha256/" + manifest["config"]["digest"][7:]])
    assert config["config"]["Entrypoint"] == ["/x"]
    assert config["config"]["Cmd"] == ["-v"]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


def test_same_files_give_the_same_bytes():
    assert build_archive([IMAGE]) == build_archive([IMAGE])


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGKILL, id="kill"), pytest.param(signal.SIGTERM, id="term")]
)
def test_pause_waits_ignoring_its_children_and_ends_by_signal(tmp_path, number):
    assert platform.machine() == "x86_64", "the pause program exists for x86-64 alone"
    program = tmp_path / "pause"
    program.write_bytes(build_pause())
    program.chmod(0o755)
    process = subprocess.Popen([program])
    try:
        ignored = 0
        for _ in range(200):
            with open(f"/proc/{process.pid}/status") as status:
                ignored = int(next(line for line in status if line.startswith("SigIgn")).split()[1], 16)
            if ignored & (1 << (signal.SIGCHLD - 1)):
                break
            time.sleep(0.01)
        assert ignored & (1 << (signal.SIGCHLD - 1))
        assert process.poll() is None
    finally:
        os.kill(process.pid, number)
        assert process.wait(10) == -number
