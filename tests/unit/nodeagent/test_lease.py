from datetime import UTC, datetime

from nodeagent.lease import new_lease, renewed

NOW, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


def test_a_lease_belongs_to_its_node():
    lease = new_lease("n1", "uid", 40.0, NOW)
    assert lease["metadata"]["namespace"] == "kube-node-lease"
    assert lease["metadata"]["ownerReferences"][0]["uid"] == "uid"
    assert lease["spec"] == {
        "holderIdentity": "n1",
        "leaseDurationSeconds": 40,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }


def test_renewal_moves_the_time_alone():
    lease = new_lease("n1", "", 40.0, NOW)
    lease["spec"]["acquireTime"] = "x"
    later = renewed(lease, "n1", 40.0, LATER)
    assert later["spec"]["renewTime"] == "2026-01-01T00:00:10.000000Z"
    assert later["spec"]["acquireTime"] == "x"
    assert later["metadata"] == lease["metadata"]
    assert lease["spec"]["renewTime"] == "2026-01-01T00:00:00.000000Z"
