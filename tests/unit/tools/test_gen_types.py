"""The generated shapes and schemas are those that the generator makes of the installed package."""

import keyword
import re
from pathlib import Path

import pytest

from tools import gen_types


def test_what_is_checked_in_is_up_to_date(tmp_path):
    gen_types.generate(tmp_path)
    for folder in ("types", "schema"):
        made = {path.name: path.read_bytes() for path in (tmp_path / "api" / folder).iterdir()}
        kept = {name: (Path(gen_types.ROOT) / "api" / folder / name).read_bytes() for name in made}
        assert made == kept, "run python -m tools.gen_types"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        pytest.param("io.k8s.api.apps.v1.Deployment", ("apps_v1", "Deployment"), id="apps"),
        pytest.param("io.k8s.apimachinery.pkg.api.resource.Quantity", ("meta_v1", "Quantity"), id="quantity"),
        pytest.param(
            "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
            ("apiregistration_v1", "APIService"),
            id="aggregator",
        ),
    ],
)
def test_modules_of_definitions(definition, expected):
    assert gen_types.module_and_name(definition) == expected


def test_the_schema_holds_no_prose_and_whole_references():
    definitions = gen_types.load_definitions()
    stripped = {name: gen_types.strip(schema) for name, schema in definitions.items()}
    for name, schema in stripped.items():
        assert "description" not in schema
        assert set(gen_types.references(schema)) <= set(stripped), name


def test_fields_that_are_no_identifiers_take_the_functional_form():
    schema = {"properties": {"from": {"type": ["array", "null"], "items": {"type": "string"}}}}
    text = gen_types.shape("io.k8s.api.networking.v1.Rule", schema, "networking_v1", set())
    assert re.search(r'Rule = TypedDict\(\s+"Rule",\s+\{\s+"from": list\[str\],', text)
    assert keyword.iskeyword("from")
