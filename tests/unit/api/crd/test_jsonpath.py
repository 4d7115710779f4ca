"""The paths of columns, scales and selectable fields."""

import pytest

from api.crd.jsonpath import compile_path
from api.crd.scale import Scale, nested
from api.crd.selectable import compile_selectable, selectable_fields

_OBJ = {
    "metadata": {"name": "a", "annotations": {"a.b/c": "slash", "x.y": "dot"}},
    "spec": {"n": 3, "list": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "plain": [1, 2, 3]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param(".spec.n", [3], id="field"),
        pytest.param("$.spec.n", [3], id="dollar"),
        pytest.param(".spec.missing.x", [], id="missing"),
        pytest.param(".metadata.annotations.x\\.y", ["dot"], id="escaped-dot"),
        pytest.param(".metadata.annotations['a.b/c']", ["slash"], id="quoted"),
        pytest.param('.metadata["name"]', ["a"], id="double-quoted"),
        pytest.param(".spec.plain[0]", [1], id="index"),
        pytest.param(".spec.plain[-1]", [3], id="from-the-end"),
        pytest.param(".spec.plain[9]", [], id="beyond"),
        pytest.param(".spec.plain[0:2]", [1, 2], id="slice"),
        pytest.param(".spec.plain[::2]", [1, 3], id="stride"),
        pytest.param(".spec.plain[0,2]", [1, 3], id="union"),
        pytest.param(".metadata['name','missing']", ["a"], id="union-of-names"),
        pytest.param(".spec.list[*].k", ["a", "b"], id="all"),
        pytest.param(".metadata.annotations.*", ["slash", "dot"], id="all-members"),
        pytest.param('.status.conditions[?(@.type=="Ready")].status', ["True"], id="filter"),
        pytest.param(".spec.list[?(@.v>1)].k", ["b"], id="filter-by-number"),
        pytest.param(".spec.list[?(@.v != 1)].k", ["b"], id="filter-by-difference"),
        pytest.param(".spec.list[?(@.k > 1)].k", [], id="filter-of-other-type"),
        pytest.param(".spec.list[?(@.v)].k", ["a", "b"], id="filter-by-presence"),
        pytest.param(".spec.list[?(@.on==true)].k", [], id="filter-by-truth"),
        pytest.param(".spec.list[?(@.v<=1.5)].k", ["a"], id="filter-by-double"),
        pytest.param(".spec.plain[0, 2]", [1, 3], id="union-with-a-space"),
        pytest.param(".['spec'].n", [3], id="dot-before-brackets"),
        pytest.param("..['k']", ["a", "b"], id="anywhere-in-brackets"),
        pytest.param("..k", ["a", "b"], id="anywhere"),
        pytest.param(".", [_OBJ], id="the-object"),
    ],
)
def test_what_is_found(path, found):
    assert compile_path(path)(_OBJ) == found


@pytest.mark.parametrize(
    "path", ["spec", ".a[", ".a['b", ".a[b]", ".a[?(@.x==y)]", ".a[::0]", ".a]", ".a['b'x]", ".]"]
)
def test_malformed_paths_are_refused(path):
    with pytest.raises(ValueError):  # noqa: PT011
        compile_path(path)


def test_selectable_values_are_texts():
    paths = (".spec.n", ".spec.on", ".spec.missing", ".spec.nothing", ".spec.s")
    version = {"selectableFields": [{"jsonPath": path} for path in paths]}
    assert selectable_fields(version) == ("spec.n", "spec.on", "spec.missing", "spec.nothing", "spec.s")
    found = compile_selectable(version)({"spec": {"n": 3, "on": True, "nothing": None, "s": "x"}})
    assert found == {"spec.n": "3", "spec.on": "true", "spec.missing": "", "spec.nothing": "", "spec.s": "x"}


def test_scale_paths():
    paths = {
        "specReplicasPath": ".spec.n",
        "statusReplicasPath": ".status.n",
        "labelSelectorPath": ".status.s",
    }
    scale = Scale.of(paths)
    assert scale == Scale(".spec.n", ".status.n", ".status.s")
    errors = scale.validate({"spec": {"n": 1}, "status": {"n": 1, "s": 5}})
    assert [str(error) for error in errors] == [
        '.status.s: Invalid value: "": .status.s accessor error: 5 is of the type int64, expected string'
    ]
    assert nested({"spec": 1}, ".spec.n", int)[1] == (
        ".spec.n accessor error: 1 is of the type int64, expected map[string]interface{}"
    )
