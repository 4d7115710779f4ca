import pytest

from api.podspec import MIRROR
from nodeagent.pod.sources import StaticPods, follow_api, mirror_of, static_pod

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: a, image: x}]}
"""


class Manager:
    def __init__(self):
        self.pods, self.removed = {}, []

    def upsert(self, pod):
        self.pods[pod["metadata"]["uid"]] = pod

    def remove(self, uid, last=None):
        self.pods.pop(uid, None)
        self.removed.append(uid)


class Feed:
    def subscribe(self, function):
        self.tell = function

    async def synced(self):
        return None


def pod(uid, **annotations):
    return {"metadata": {"name": "p", "uid": uid, "annotations": annotations}}


def test_api_pods_come_and_go():
    manager, feed = Manager(), Feed()
    follow_api(feed, manager)
    feed.tell(None, pod("a"))
    feed.tell(pod("a"), None)
    feed.tell(None, pod("m", **{MIRROR: "x"}))
    assert (manager.pods, manager.removed) == ({}, ["a"])


def test_a_static_pod_is_named_after_its_node(tmp_path):
    found = static_pod(MANIFEST, tmp_path / "w.yaml", "n1")
    metadata = found["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("web-n1", "default")
    assert metadata["uid"] == metadata["annotations"]["kubernetes.io/config.hash"]
    assert found["spec"]["nodeName"] == "n1"
    mirror = mirror_of(found, "node-uid")
    assert mirror["metadata"]["annotations"][MIRROR] == metadata["uid"]
    assert "uid" not in mirror["metadata"]
    assert mirror["metadata"]["ownerReferences"][0]["uid"] == "node-uid"


@pytest.mark.parametrize("text", ["kind: Service", "[", "kind: Pod\nmetadata: {}", "x"])
def test_what_is_no_pod_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match=r"x\.yaml"):
        static_pod(text, tmp_path / "x.yaml", "n")


async def test_the_folder_is_followed(tmp_path):
    manager = Manager()
    static = StaticPods(tmp_path, "n1", manager, None)
    (tmp_path / "w.yaml").write_text(MANIFEST)
    (tmp_path / "bad.yaml").write_text("[")
    (tmp_path / "note.txt").write_text("x")
    await static.sync()
    (first,) = manager.pods
    (tmp_path / "w.yaml").write_text(MANIFEST.replace("image: x", "image: y"))
    await static.sync()
    (second,) = manager.pods
    assert manager.removed == [first]
    assert first != second
    (tmp_path / "w.yaml").unlink()
    await static.sync()
    assert manager.pods == {}
