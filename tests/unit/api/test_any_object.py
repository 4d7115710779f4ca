"""Whatever a client sends that has the right structure: rules answer, never fail, and change nothing given.

Objects are made at random from the schema of each kind; a failing one is named by its seed.
"""

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from api.catalog import ALL
from api.codec.shapes import copy
from api.codec.table import to_table
from api.kinds import kind_of
from api.resource import Obj, Resource
from api.schemas import Schema, definition, json_type, schema_name
from api.structure import normalise_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEEDS = 40
WORDS = (
    "", "a", "web", "A_b", "..", "a/b", "/", "10.0.0.1", "fd00::1", "10.0.0.0/8", "example.com/x", "*",
    "None", "Always", "Never", "TCP", "In", "Exists", "Gt", "25%", "0%", "cpu", "memory", "ClusterIP",
    "RollingUpdate", "LoadBalancer", "Indexed", "Webhook", "metadata.name", "metadata.labels['x']", "-", "v1",
    "*/5 * * * *", "Limited", "hugepages-2Mi",
)  # fmt: skip
QUANTITIES = ("0", "1", "500m", "1Gi", "-1", "2", "1500m")
KEYS = ("cpu", "memory", "a", "example.com/gpu", "hugepages-2Mi", "storage", "a b")


def made(schema: Schema, random: Random, depth: int) -> Any:
    """Return a value that a decoder lets through."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        special = {
            "Quantity": QUANTITIES,
            "IntOrString": (0, 1, -1, "25%", "http"),
            "Time": ("2026-01-01T00:00:00Z",),
        }
        kind = name.rsplit(".", 1)[1]
        if kind in special:
            return random.choice(special[kind])
        if kind == "MicroTime":
            return "2026-01-01T00:00:00.000000Z"
        return made(definition(name), random, depth)
    match json_type(schema):
        case "object":
            return made_object(schema, random, depth)
        case "array":
            count = random.choice((0, 1, 1, 2)) if depth else 0
            return [made(schema["items"], random, depth - 1) for _ in range(count)]
        case "integer":
            return random.choice((0, 1, 2, -1, 80, 443, 70000, 3600))
        case "number":
            return random.choice((0, 1.5))
        case "boolean":
            return random.random() < 0.5
        case "string":
            return "eA==" if schema.get("format") == "byte" else random.choice(WORDS)
    return {}


def made_object(schema: Schema, random: Random, depth: int) -> Obj:
    if "properties" in schema:
        if depth <= 0:
            return {}
        fields = schema["properties"]
        share = random.choice((0.2, 0.5, 0.9)) if len(fields) < 12 else random.choice((0.1, 0.3))
        return {
            name: made(fields[name], random, depth - 1) for name in sorted(fields) if random.random() < share
        }
    extra = schema.get("additionalProperties")
    if not isinstance(extra, dict):
        return {}
    return {key: made(extra, random, depth - 1) for key in random.sample(KEYS, random.choice((0, 1, 2)))}


def any_object(resource: Resource, seed: int) -> Obj:
    random = Random(f"{resource.group_resource}/{resource.version}/{seed}")
    schema = definition(schema_name(resource))
    obj = {
        name: made(part, random, 9)
        for name, part in schema["properties"].items()
        if name not in ("apiVersion", "kind", "metadata")
    }
    metadata = made(schema["properties"]["metadata"], random, 3)
    metadata |= {"name": "x", "resourceVersion": "1"}
    return {"apiVersion": resource.group_version, "kind": resource.kind, "metadata": metadata, **obj}


KINDS = [
    pytest.param(resource, id=f"{resource.group_version}/{resource.plural}")
    for resource in ALL
    if schema_name(resource)
]


@pytest.mark.parametrize("resource", KINDS)
def test_rules_answer(resource):
    rules = kind_of(resource)
    old = rules.defaults(any_object(resource, -1))
    for seed in range(SEEDS):
        obj = normalise_for(any_object(resource, seed), resource).obj
        before = copy(obj)
        once = rules.defaults(obj)
        assert obj == before, f"defaults changed their input, seed {seed}"
        assert rules.defaults(once) == once, f"defaults are not idempotent, seed {seed}"
        before = copy(once)
        for errors in (
            rules.validate(once),
            rules.validate_update(once, old),
            rules.validate_update(once, once),
            rules.validate_status(once, old),
            *(check(once, old) for check in rules.subresources.values()),
        ):
            assert all(str(error) and error.to_cause() for error in errors)
        assert once == before, f"a check changed its input, seed {seed}"
        table = to_table(resource, [once], NOW)
        assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
