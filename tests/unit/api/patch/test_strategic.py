"""Strategic merge patch: keyed lists, directives and the order of elements, as upstream has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import errors
from api.codec import shapes
from api.patch.strategic import apply_strategic

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SERVICE = "io.k8s.api.core.v1.Service"
NODE = "io.k8s.api.core.v1.Node"


def containers(*items):
    return {"spec": {"containers": list(items)}}


A, B, C = {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}, {"name": "c", "image": "c:1"}


@pytest.mark.parametrize(
    ("kind", "old", "patch", "expected"),
    [
        pytest.param(
            POD,
            containers(A, B),
            containers({"name": "b", "image": "b:2"}),
            containers(A, {"name": "b", "image": "b:2"}),
            id="an element with a known key is merged in its place",
        ),
        pytest.param(
            POD, containers(A, B), containers(C), containers(C, A, B), id="a new element comes first"
        ),
        pytest.param(
            POD,
            containers(A, B),
            containers({"name": "a", "$patch": "delete"}),
            containers(B),
            id="delete takes an element out",
        ),
        pytest.param(
            POD,
            containers(A, B),
            {"spec": {"containers": [C, {"$patch": "replace"}]}},
            containers(C),
            id="replace takes the patch's list",
        ),
        pytest.param(
            POD,
            containers(A, B, C),
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                    "containers": [{"name": "a", "image": "a:2"}],
                }
            },
            containers(B, C, {"name": "a", "image": "a:2"}),
            id="the given order holds, the server's own keep their place",
        ),
        pytest.param(
            POD,
            containers(A, B),
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
            containers(B, A),
            id="an order alone sorts",
        ),
        pytest.param(
            POD,
            {"metadata": {"finalizers": ["x", "y"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}},
            {"metadata": {"finalizers": ["y"]}},
            id="values go from a primitive list",
        ),
        pytest.param(
            POD,
            {"metadata": {"finalizers": ["x", "y"]}},
            {"metadata": {"finalizers": ["z", "x"]}},
            {"metadata": {"finalizers": ["z", "x", "y"]}},
            id="a primitive list is merged",
        ),
        pytest.param(
            POD,
            {"metadata": {"labels": {"a": "1", "b": "2"}}},
            {"metadata": {"labels": {"a": None, "c": "3"}, "annotations": {"x": None, "y": "1"}}},
            {"metadata": {"labels": {"b": "2", "c": "3"}, "annotations": {"y": "1"}}},
            id="null removes, and is dropped where there is nothing",
        ),
        pytest.param(
            DEPLOYMENT,
            {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            id="retainKeys clears the rest",
        ),
        pytest.param(
            POD,
            {"spec": {"tolerations": [{"key": "a"}]}},
            {"spec": {"tolerations": [{"key": "b"}]}},
            {"spec": {"tolerations": [{"key": "b"}]}},
            id="a list without a strategy is replaced",
        ),
        pytest.param(
            POD,
            {"metadata": {"ownerReferences": [{"uid": "1", "kind": "A"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2", "kind": "B"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2", "kind": "B"}, {"uid": "1", "kind": "A"}]}},
            id="owner references are keyed by uid",
        ),
        pytest.param(
            SERVICE,
            {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]}},
            {"spec": {"ports": [{"port": 81, "targetPort": 8081}]}},
            {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "targetPort": 8081}]}},
            id="service ports are keyed by port",
        ),
        pytest.param(
            NODE,
            {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            id="conditions are keyed by type",
        ),
        pytest.param(
            POD,
            {"spec": {"nodeSelector": {"a": "1"}}},
            {"spec": {"nodeSelector": {"$patch": "replace", "b": "2"}}},
            {"spec": {"nodeSelector": {"b": "2"}}},
            id="replace of a map",
        ),
        pytest.param(
            POD,
            {"spec": {"nodeSelector": {"a": "1"}}},
            {"spec": {"nodeSelector": {"$patch": "delete"}}},
            {"spec": {"nodeSelector": {}}},
            id="delete of a map leaves an empty one",
        ),
        pytest.param(
            POD,
            {"spec": {}},
            {"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "x": None}]}},
            {"spec": {"containers": [{"name": "b"}]}},
            id="directives do not survive where there was no list",
        ),
        pytest.param(
            POD,
            containers({"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}),
            containers({"name": "a", "env": [{"name": "Y", "value": None, "valueFrom": {"fieldRef": {}}}]}),
            containers(
                {
                    "name": "a",
                    "env": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"fieldRef": {}}}],
                }
            ),
            id="keyed lists inside keyed lists",
        ),
    ],
)
def test_patch_gives_what_upstream_gives(kind, old, patch, expected):
    before = shapes.copy((old, patch))
    assert apply_strategic(old, patch, kind) == expected
    assert (old, patch) == tuple(before), "arguments must not change"


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        pytest.param(
            containers({"image": "x"}), "does not contain declared merge key: name", id="no merge key"
        ),
        pytest.param(
            {"metadata": {"$patch": "what"}}, "unknown patch type: what in map", id="unknown directive"
        ),
        pytest.param(
            {"metadata": {"$retainKeys": "x"}}, "invalid patch format of retainKeys", id="retainKeys no list"
        ),
        pytest.param(
            {"metadata": {"$retainKeys": ["name"], "labels": {"a": "b"}}},
            "invalid patch format of retainKeys",
            id="a member that retainKeys does not name",
        ),
        pytest.param(
            {"metadata": {"$deleteFromPrimitiveListfinalizers": ["x"]}},
            "invalid patch format of primitive list",
            id="delete list without a field",
        ),
        pytest.param(
            {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z"}]}},
            "doesn't match $setElementOrder list",
            id="an element that the order does not name",
        ),
    ],
)
def test_malformed_patches_are_bad_requests(patch, message):
    with pytest.raises(errors.BadRequest) as caught:
        apply_strategic({"metadata": {"name": "x"}, **containers(A)}, patch, POD)
    assert message in caught.value.message


NAMES = st.sampled_from("abcd")
ELEMENTS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": st.sampled_from("xyz"), "tty": st.booleans()}),
    max_size=4,
    unique_by=lambda item: item["name"],
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "containers": ELEMENTS,
        "nodeSelector": st.dictionaries(NAMES, st.sampled_from("xy"), max_size=3),
    },
)


@given(SPECS, SPECS)
def test_a_patch_applied_twice_changes_nothing_more(old, patch):
    once = apply_strategic({"spec": old}, {"spec": patch}, POD)
    assert apply_strategic(once, {"spec": patch}, POD) == once


@given(ELEMENTS, ELEMENTS)
def test_every_element_of_both_sides_is_there_once(old, new):
    merged = apply_strategic(containers(*old), containers(*new), POD)["spec"]["containers"]
    names = [item["name"] for item in merged]
    assert sorted(names) == sorted({item["name"] for item in (*old, *new)})
    ours = [item["name"] for item in new]
    assert [name for name in names if name in ours] == ours, "the patch's order holds"
