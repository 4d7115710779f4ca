"""What GET and LIST show of Leases: bytes in, bytes out."""

import orjson

from api.coordination.heartbeat import RENEWED_WITH
from apiserver.resources.coordination.lease import show

GROUP = {"metadata": {"name": "g", "namespace": "kube-node-lease"},
         "spec": {"holderIdentity": "h", "renewTime": "2026-01-01T00:00:10.000000Z"}}  # fmt: skip


def lease(name, named=""):
    metadata = {"name": name, "namespace": "kube-node-lease"}
    if named:
        metadata["annotations"] = {RENEWED_WITH: named}
    return {"metadata": metadata, "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}


def test_what_has_no_group_keeps_its_bytes():
    data = orjson.dumps(lease("a")) + b" "
    assert show(data, lambda *_: GROUP) is data


def test_a_group_is_looked_up_once_and_order_is_kept():
    asked = []

    def find(*key):
        asked.append(key)
        return GROUP

    joined = b",".join(orjson.dumps(one) for one in (lease("a", "g/h"), lease("b"), lease("c", "g/h")))
    found = orjson.loads(b"[" + show(joined, find) + b"]")
    assert [one["metadata"]["name"] for one in found] == ["a", "b", "c"]
    assert [one["spec"]["renewTime"][17:19] for one in found] == ["10", "00", "10"]
    assert asked == [("kube-node-lease", "g")]
