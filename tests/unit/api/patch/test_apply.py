"""Server-side apply and managed fields: who owns what, conflicts, removal, order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import errors
from api.codec import shapes
from api.patch import fieldset, structured
from api.patch.apply import Writer, apply, manage_update
from api.patch.compare import compare
from api.patch.shape import shape_of_custom, shape_of_kind
from api.resource import Obj

KIND = "io.k8s.api.apps.v1.Deployment"
DEPLOYMENT = shape_of_kind(KIND)
POD = shape_of_kind("io.k8s.api.core.v1.Pod")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def writer(manager, now=NOW, **more):
    return Writer(manager, "apps/v1", now, **more)


def deployment(**spec) -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def container(name, **more):
    return {"template": {"spec": {"containers": [{"name": name, **more}]}}}


def applied(live, manager, spec, force=False, now=NOW):
    return apply(live, deployment(**spec), DEPLOYMENT, writer(manager, now), kind=KIND, force=force)


def owners(obj):
    """Return {"manager operation": sorted paths} of an object."""
    return {
        f"{entry['manager']} {entry['operation']}": sorted(fieldset.paths(entry["fieldsV1"]))
        for entry in obj["metadata"].get("managedFields", [])
    }


def test_an_applier_owns_exactly_what_it_says():
    obj = applied(None, "a", {"replicas": 1, **container("x", image="i", ports=[{"containerPort": 80}])})
    path = '.spec.template.spec.containers[name="x"]'
    assert owners(obj) == {
        "a Apply": [
            ".spec.replicas",
            path,
            f"{path}.image",
            f"{path}.name",
            f'{path}.ports[containerPort=80,protocol="TCP"]',
            f'{path}.ports[containerPort=80,protocol="TCP"].containerPort',
        ]
    }
    entry = obj["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["time"], entry["fieldsType"]) == (
        "apps/v1",
        "2026-01-01T00:00:00Z",
        "FieldsV1",
    )


def test_a_create_owns_all_that_it_sets_but_not_what_is_always_there():
    obj: Obj = {
        "metadata": {"name": "x", "labels": {"a": "b"}, "uid": "1"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "dnsPolicy": "Default"},
    }
    managed = manage_update(None, obj, POD, Writer("kubectl-create", "v1", NOW))
    assert managed["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {
            "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}},
            "f:dnsPolicy": {},
        },
    }
    assert "managedFields" not in obj["metadata"]


def test_an_update_takes_what_it_changes():
    obj = applied(None, "a", {"replicas": 1, "paused": True})
    changed = {**obj, "spec": {**obj["spec"], "replicas": 2}}
    result = manage_update(obj, changed, DEPLOYMENT, writer("b", LATER))
    assert owners(result) == {"a Apply": [".spec.paused"], "b Update": [".spec.replicas"]}
    assert [entry["time"] for entry in result["metadata"]["managedFields"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
    ]


def test_an_update_without_a_difference_changes_no_entry():
    obj = applied(None, "a", {"replicas": 1})
    result = manage_update(obj, shapes.copy(obj), DEPLOYMENT, writer("b", LATER))
    assert result == obj


def test_a_removed_field_has_no_owner():
    obj = applied(None, "a", {"replicas": 1, "paused": True})
    result = manage_update(obj, {**obj, "spec": {"replicas": 1}}, DEPLOYMENT, writer("b", LATER))
    assert owners(result) == {"a Apply": [".spec.replicas"]}


def test_updates_through_a_subresource_have_their_own_entry():
    obj = manage_update(None, deployment(replicas=1), DEPLOYMENT, writer("m"))
    changed = {**obj, "status": {"replicas": 1}}
    result = manage_update(obj, changed, DEPLOYMENT, writer("m", LATER, subresource="status"))
    assert [entry.get("subresource") for entry in result["metadata"]["managedFields"]] == [None, "status"]


def test_fields_that_an_endpoint_resets_are_not_owned():
    config = {**deployment(replicas=1), "status": {"replicas": 1}}
    result = apply(None, config, DEPLOYMENT, writer("a", ignored=fieldset.of(("status",))))
    assert owners(result) == {"a Apply": [".spec.replicas"]}


def test_an_empty_list_resets_all_entries():
    obj = applied(None, "a", {"replicas": 1})
    reset = {**obj, "metadata": {"name": "web", "uid": "1", "managedFields": [{}]}}
    assert owners(manage_update(obj, reset, DEPLOYMENT, writer("b"))) == {}


def test_too_many_updaters_are_merged():
    obj = manage_update(None, deployment(replicas=0), DEPLOYMENT, writer("m0"))
    for number in range(1, 13):
        labels = {f"l{index}": "x" for index in range(number)}
        new = {**obj, "metadata": {**obj["metadata"], "labels": labels}}
        moment = datetime(2026, 1, 1 + number, tzinfo=UTC)
        obj = manage_update(obj, new, DEPLOYMENT, writer(f"m{number}", moment))
    managers = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert managers[0] == "ancient-changes"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param(
            {"replicas": 1},
            {"replicas": 2},
            'Apply failed with 1 conflict: conflict with "a": .spec.replicas',
            id="one",
        ),
        pytest.param(
            {"replicas": 1, "paused": True},
            {"replicas": 2, "paused": False},
            'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.paused\n- .spec.replicas',
            id="two",
        ),
        pytest.param(
            container("x", image="i"),
            container("x", image="j"),
            'Apply failed with 1 conflict: conflict with "a": .spec.template.spec.containers[name="x"].image',
            id="in a keyed list",
        ),
    ],
)
def test_conflicts_are_told_in_upstream_words(first, second, message):
    obj = applied(None, "a", first)
    with pytest.raises(errors.Conflict) as caught:
        applied(obj, "b", second)
    assert caught.value.message == message
    assert caught.value.details["causes"][0]["reason"] == "FieldManagerConflict"
    forced = applied(obj, "b", second, force=True)
    assert set(owners(forced)) >= {"b Apply"}


def test_a_conflict_with_an_updater_names_its_version():
    obj = manage_update(None, deployment(replicas=1), DEPLOYMENT, writer("hand"))
    with pytest.raises(errors.Conflict) as caught:
        applied(obj, "b", {"replicas": 2})
    text = 'Apply failed with 1 conflict: conflict with "hand" using apps/v1: .spec.replicas'
    assert caught.value.message == text
    assert owners(applied(obj, "b", {"replicas": 1})) == {
        "b Apply": [".spec.replicas"],
        "hand Update": [".spec.replicas"],
    }


def test_what_is_no_longer_applied_goes_unless_another_applier_says_it():
    obj = applied(
        None, "a", {"replicas": 1, "paused": True, **container("x", image="i", env=[{"name": "E"}])}
    )
    obj = applied(obj, "b", {"paused": True})
    obj = applied(obj, "a", {"replicas": 1, **container("x", image="i")})
    assert obj["spec"] == {"replicas": 1, "paused": True, **container("x", image="i")}
    assert owners(obj)["b Apply"] == [".spec.paused"]


def test_what_others_added_to_a_dropped_element_stays_with_its_keys():
    obj = applied(None, "a", container("x", image="i"))
    changed = {**obj, "spec": container("x", image="i", tty=True)}
    obj = manage_update(obj, changed, DEPLOYMENT, writer("hand", LATER))
    obj = applied(obj, "a", {"replicas": 1})
    assert obj["spec"] == {"replicas": 1}


def test_a_field_of_an_updater_is_not_pruned_with_its_siblings():
    obj = applied(None, "a", {"template": {"metadata": {"labels": {"x": "1"}}}})
    changed = {**obj, "spec": {"template": {"metadata": {"labels": {"x": "1", "y": "2"}}}}}
    obj = manage_update(obj, changed, DEPLOYMENT, writer("hand", LATER))
    obj = applied(obj, "a", {"replicas": 1})
    assert obj["spec"] == {"replicas": 1, "template": {"metadata": {"labels": {"y": "2"}}}}


def test_applying_the_same_again_changes_nothing():
    spec = {"replicas": 1, **container("x", image="i", resources={"limits": {"cpu": "1000m"}})}
    obj = applied(None, "a", spec)
    assert applied(obj, "a", spec, now=LATER) == obj


def test_what_was_there_before_the_first_apply_has_an_owner():
    obj = {**deployment(replicas=1), "metadata": {"name": "web", "uid": "1"}}
    with pytest.raises(errors.Conflict, match='"before-first-apply" using apps/v1'):
        applied(obj, "a", {"replicas": 2})
    assert set(owners(applied(obj, "a", {"paused": True}))) == {"a Apply", "before-first-apply Update"}


def test_updates_before_the_first_apply_are_not_tracked():
    obj = {**deployment(replicas=1), "metadata": {"name": "web", "uid": "1"}}
    assert owners(manage_update(obj, deployment(replicas=2), DEPLOYMENT, writer("b"))) == {}


@pytest.mark.parametrize(
    ("live", "config", "expected"),
    [
        pytest.param("abc", "b", "abc", id="server order stays"),
        pytest.param("abc", "ca", "bca", id="the configuration's order wins"),
        pytest.param("ab", "xb", "axb", id="a new element keeps its neighbour"),
        pytest.param("ab", "abx", "abx", id="a new element at the end"),
        pytest.param("abc", "cx", "abcx", id="after a shared one"),
    ],
)
def test_the_order_of_keyed_lists(live, config, expected):
    def listed(names):
        return {"containers": [{"name": name} for name in names]}

    merged = structured.merge({"spec": listed(live)}, {"spec": listed(config)}, POD)
    assert "".join(item["name"] for item in merged["spec"]["containers"]) == expected


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        pytest.param({"unknownField": 1}, ".spec.unknownField: field not declared in schema", id="unknown"),
        pytest.param(
            {"replicas": "3"}, ".spec.replicas: expected numeric (int or float), got string", id="type"
        ),
        pytest.param(
            {"template": {"spec": {"containers": [{"name": "x"}, {"name": "x"}]}}},
            '.spec.template.spec.containers: duplicate entries for key [name="x"]',
            id="double key",
        ),
        pytest.param(
            {"template": {"spec": {"containers": [{"image": "x"}]}}},
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits "
            'key field "name" (and doesn\'t have default value)',
            id="no key",
        ),
    ],
)
def test_configurations_that_do_not_fit(spec, fault):
    with pytest.raises(errors.StatusError) as caught:
        applied(None, "a", spec)
    text = f"failed to create typed patch object (/web; apps/v1, Kind=Deployment): {fault}"
    assert (caught.value.message, caught.value.code) == (text, 500)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({**deployment(), "apiVersion": "apps/v1beta1"}, id="another version"),
        pytest.param({**deployment(), "metadata": {"name": "x", "managedFields": []}}, id="managed fields"),
    ],
)
def test_bad_requests(config):
    with pytest.raises(errors.BadRequest):
        apply(None, config, DEPLOYMENT, writer("a"))


CUSTOM = shape_of_custom(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "whole": {
                        "type": "object",
                        "x-kubernetes-map-type": "atomic",
                        "additionalProperties": {},
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        },
    }
)


def custom(**spec) -> Obj:
    return {"apiVersion": "e.com/v1", "kind": "Foo", "metadata": {"name": "x"}, "spec": spec}


def test_custom_resources_merge_by_their_schema():
    first = Writer("a", "e.com/v1", NOW)
    second = Writer("b", "e.com/v1", NOW)
    obj = apply(None, custom(tags=["p", "q"], whole={"m": 1}, free={"x": {"y": [1]}}), CUSTOM, first)
    obj = apply(obj, custom(tags=["r", "q"], free={"x": {"z": 1}}), CUSTOM, second)
    assert obj["spec"] == {"tags": ["p", "r", "q"], "whole": {"m": 1}, "free": {"x": {"y": [1], "z": 1}}}
    assert owners(obj)["b Apply"] == [
        ".spec.free.x",
        ".spec.free.x.z",
        '.spec.tags[="q"]',
        '.spec.tags[="r"]',
    ]
    obj = apply(obj, custom(whole={"n": 1}), CUSTOM, second, force=True)
    assert obj["spec"] == {"tags": ["p", "q"], "whole": {"n": 1}, "free": {"x": {"y": [1]}}}


def test_custom_resources_without_a_schema_take_anything():
    shape = shape_of_custom(None)
    obj = apply(None, {**custom(a=1), "any": {"b": [1]}}, shape, Writer("a", "e.com/v1", NOW))
    assert owners(obj) == {"a Apply": [".any", ".any.b", ".spec", ".spec.a"]}


VALUES = st.integers(0, 2) | st.sampled_from("ab")
FREE = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        VALUES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6
    ),
    max_size=3,
)


@settings(max_examples=150)
@given(FREE, FREE)
def test_applying_twice_is_applying_once(live, config):
    shape = shape_of_custom(None)
    first = Writer("a", "e.com/v1", NOW)
    obj = manage_update(None, custom(**live), shape, Writer("hand", "e.com/v1", NOW))
    once = apply(obj, custom(**config), shape, first, force=True)
    assert apply(once, custom(**config), shape, Writer("a", "e.com/v1", LATER)) == once


@settings(max_examples=150)
@given(FREE, FREE)
def test_a_comparison_is_empty_exactly_for_equal_objects(left, right):
    shape = shape_of_custom(None)
    assert compare({"spec": left}, {"spec": right}, shape).is_same is shapes.equal(left, right)


SETS = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from(("f:a", "f:b", "f:c", ".")), inner, max_size=3),
    max_leaves=8,
).map(lambda fields: fieldset.union({}, _proper(fields)))


def _proper(fields, top=True):
    kept = {step: _proper(node, False) for step, node in fields.items() if step != "."}
    return {".": {}, **kept} if "." in fields and kept and not top else kept


@given(SETS, SETS)
def test_sets_of_fields_are_sets_of_paths(left, right):
    def listed(fields):
        return set(fieldset.paths(fields))

    assert listed(fieldset.union(left, right)) == listed(left) | listed(right)
    assert listed(fieldset.difference(left, right)) == listed(left) - listed(right)
    assert listed(fieldset.intersection(left, right)) == listed(left) & listed(right)
