"""Boxes, and the schemas of their spec that the tests of this folder make."""

from api.crd.structural import Structural


def structural_of(spec, **more):
    schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}, **more}
    return Structural.compile(version)


def box(spec, **more):
    return {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": spec, **more}


def object_of(**fields):
    return {"type": "object", "properties": fields}


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
SET = {"type": "array", "x-kubernetes-list-type": "set"}

EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


def words_of(errors):
    return [str(error) for error in errors]
