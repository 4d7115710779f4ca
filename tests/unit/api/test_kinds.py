"""Every kind in the catalog has rules that keep their promises."""

import pytest

from api.catalog import ALL
from api.codec.shapes import copy
from api.kinds import kind_of
from api.resource import Obj, Resource
from tests.unit.api.kinds_sample import texts


def bare(resource: Resource) -> Obj:
    namespace = {"namespace": "d"} if resource.namespaced else {}
    return {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "metadata": {"name": "a-b", "resourceVersion": "1", **namespace},
    }


EVERY = [pytest.param(resource, id=f"{resource.group_version}/{resource.plural}") for resource in ALL]


@pytest.mark.parametrize("parts", [{}, {"spec": {}}, {"spec": {}, "status": {}}])
@pytest.mark.parametrize("resource", EVERY)
def test_defaults_are_idempotent_and_pure(resource, parts):
    rules, obj = kind_of(resource), {**bare(resource), **copy(parts)}
    before = copy(obj)
    once = rules.defaults(obj)
    assert obj == before
    assert rules.defaults(once) == once


@pytest.mark.parametrize("resource", EVERY)
def test_checks_survive_an_empty_object(resource):
    rules, obj = kind_of(resource), {**bare(resource), "spec": {}, "status": {}}
    made = rules.defaults(obj)
    before = copy(made)
    rules.validate(made)
    rules.validate_update(made, obj)
    assert rules.validate_status(made, made) == [] or resource.plural in {
        "namespaces",
        "persistentvolumeclaims",
    }
    assert made == before


@pytest.mark.parametrize("resource", EVERY)
def test_a_name_is_needed(resource):
    obj = bare(resource)
    del obj["metadata"]["name"]
    errors = texts(kind_of(resource).validate(kind_of(resource).defaults(obj)))
    assert "metadata.name: Required value: name or generateName is required" in errors


def test_roles_have_colons_in_their_names():
    role = next(resource for resource in ALL if resource.plural == "clusterroles")
    obj = {**bare(role), "metadata": {"name": "system:node"}}
    assert kind_of(role).validate(obj) == []
