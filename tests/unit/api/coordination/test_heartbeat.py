"""Which renewal of a node's Lease counts: its own, or that of the group it names."""

import pytest

from api.coordination.heartbeat import RENEWED_WITH, Group, group_of, renewal, shown

EARLY, LATE = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:10.000000Z"


def lease(renewed=EARLY, named="g/h", namespace="kube-node-lease", holder="n1", name="n1"):
    notes = {RENEWED_WITH: named} if named else {}
    spec = {"holderIdentity": holder, **({"renewTime": renewed} if renewed else {})}
    return {"metadata": {"name": name, "namespace": namespace, "annotations": notes}, "spec": spec}


def group(renewed=LATE, holder="h"):
    return lease(renewed, "", holder=holder, name="g")


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(lease(), Group("g", "h"), id="member"),
        pytest.param(lease(named=""), None, id="by-itself"),
        pytest.param(lease(named="g"), None, id="no-holder-named"),
        pytest.param(lease(named="n1/h"), None, id="itself-named"),
        pytest.param(lease(namespace="kube-system"), None, id="no-node"),
        pytest.param({"metadata": {"name": "n1", "namespace": "kube-node-lease"}}, None, id="bare"),
    ],
)
def test_who_is_in_a_group(obj, expected):
    assert group_of(obj) == expected


def test_a_group_is_written_as_it_is_read():
    written = str(Group("hollow-group-node-1", "2f6c"))
    assert group_of(lease(named=written)) == Group("hollow-group-node-1", "2f6c")


@pytest.mark.parametrize(
    ("obj", "shared", "expected"),
    [
        pytest.param(lease(), group(), LATE, id="the-group-is-newer"),
        pytest.param(lease(LATE), group(EARLY), LATE, id="its-own-is-newer"),
        pytest.param(lease(None), group(), LATE, id="never-renewed-by-itself"),
        pytest.param(lease(), group(None), EARLY, id="the-group-was-never-renewed"),
        pytest.param(lease(), None, EARLY, id="there-is-no-such-group"),
        pytest.param(lease(), group(holder="another"), EARLY, id="somebody-else-holds-the-group"),
        pytest.param(lease(named=""), group(), EARLY, id="left"),
        pytest.param(lease("2026-01-01T00:00:00Z"), group("2025-12-31T23:59:59.9Z"),
                     "2026-01-01T00:00:00Z", id="other-fractions"),
    ],
)  # fmt: skip
def test_the_newest_renewal_counts(obj, shared, expected):
    assert renewal(obj, shared) == expected
    before = repr(obj)
    assert shown(obj, shared)["spec"].get("renewTime") == expected
    assert repr(obj) == before
