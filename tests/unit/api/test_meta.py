"""Object metadata: names, owners, finalizers, and what an update may not change."""

from typing import Any

import pytest

from api import names
from api.field import Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj
from tests.unit.api.kinds_sample import texts

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def obj(**metadata: Any) -> Obj:
    return {"metadata": {"name": "a", "namespace": "d", **metadata}}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param(
            {"name": ""}, ["metadata.name: Required value: name or generateName is required"], id="no-name"
        ),
        pytest.param({"name": "A_b"}, [f'metadata.name: Invalid value: "A_b": {SUBDOMAIN}'], id="bad-name"),
        pytest.param({"name": "a.b"}, [], id="a-subdomain"),
        pytest.param({"generateName": "web-"}, [], id="generate-name"),
        pytest.param(
            {"generateName": "Web-"},
            [f'metadata.generateName: Invalid value: "Web-": {SUBDOMAIN}'],
            id="bad-stem",
        ),
        pytest.param({"namespace": ""}, ["metadata.namespace: Required value"], id="no-namespace"),
        pytest.param(
            {"generation": -1},
            ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"],
            id="generation",
        ),
        pytest.param({"labels": {"example.com/a": "b", "c": ""}}, [], id="labels"),
        pytest.param(
            {"labels": {"a": "b c"}},
            [
                'metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of '
                "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                "character "
                "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ],
            id="label-value",
        ),
        pytest.param({"annotations": {"Example.COM/A": "x" * 1000}}, [], id="annotation"),
        pytest.param(
            {"annotations": {"a": "x" * (1 << 18)}},
            ["metadata.annotations: Too long: may not be more than 262144 bytes"],
            id="annotations-too-long",
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]},
            ['metadata.ownerReferences[0].uid: Invalid value: "": must not be empty'],
            id="owner-without-uid",
        ),
        pytest.param(
            {"finalizers": ["mine"]},
            [
                'metadata.finalizers: Invalid value: "mine": name is neither a standard finalizer name '
                "nor is it "
                "fully qualified"
            ],
            id="finalizer",
        ),
        pytest.param(
            {"finalizers": ["orphan", "foregroundDeletion"]},
            [
                'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer "orphan" and '
                '"foregroundDeletion" cannot be both set'
            ],
            id="two-ways-of-deletion",
        ),
    ],
)
def test_create(metadata, expected):
    assert texts(validate_metadata(obj(**metadata), namespaced=True)) == expected


def test_a_cluster_scoped_object_has_no_namespace():
    assert texts(validate_metadata(obj(), namespaced=False)) == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]


@pytest.mark.parametrize(
    ("rule", "name", "fine"),
    [
        pytest.param(names.is_dns1123_label, "a.b", False, id="label"),
        pytest.param(names.is_dns1035_label, "1a", False, id="dns-1035"),
        pytest.param(names.is_path_segment, "system:node", True, id="path-segment"),
        pytest.param(names.is_path_segment, "a/b", False, id="no-slash"),
    ],
)
def test_name_rules(rule, name, fine):
    assert (validate_metadata(obj(name=name), namespaced=True, rule=rule) == []) is fine


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param({}, [], id="same"),
        pytest.param({"labels": {"a": "b"}}, [], id="labels"),
        pytest.param({"uid": "v"}, ['metadata.uid: Invalid value: "v": field is immutable'], id="uid"),
        pytest.param({"name": "b"}, ['metadata.name: Invalid value: "b": field is immutable'], id="name"),
        pytest.param(
            {"resourceVersion": ""},
            ['metadata.resourceVersion: Invalid value: "": must be specified for an update'],
            id="no-version",
        ),
        pytest.param(
            {"generation": 1},
            ["metadata.generation: Invalid value: 1: must not be decremented"],
            id="generation",
        ),
    ],
)
def test_update(new, expected):
    old = {"uid": "u", "resourceVersion": "1", "generation": 2}
    assert texts(validate_metadata_update(obj(**old | new), obj(**old))) == expected


def test_what_is_being_deleted_gets_no_new_finalizer():
    old = {"resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.io/a"]}
    errors = validate_metadata_update(obj(**{**old, "finalizers": ["a.io/a", "a.io/b"]}), obj(**old))
    assert texts(errors) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        "found new "
        'finalizers []string{"a.io/b"}'
    ]
    assert validate_metadata_update(obj(**{**old, "finalizers": []}), obj(**old)) == []


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        pytest.param({"key": "a", "operator": "In", "values": ["b"]}, [], id="in"),
        pytest.param(
            {"key": "a", "operator": "In"},
            [
                "s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' "
                "or 'NotIn'"
            ],
            id="in-nothing",
        ),
        pytest.param(
            {"key": "a", "operator": "Exists", "values": ["b"]},
            [
                "s.matchExpressions[0].values: Forbidden: may not be specified when `operator` is "
                "'Exists' or "
                "'DoesNotExist'"
            ],
            id="exists-with-values",
        ),
        pytest.param(
            {"key": "a", "operator": "Is"},
            ['s.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'],
            id="operator",
        ),
    ],
)
def test_label_selector(term, expected):
    assert texts(validate_label_selector({"matchExpressions": [term]}, Path("s"))) == expected
