"""The tables of custom resources."""

from datetime import UTC, datetime

import pytest

from api.crd.columns import columns_of

_NOW = datetime(2026, 1, 2, 0, 0, 0, tzinfo=UTC)
_OBJ = {
    "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "n": 3,
        "d": 2.5,
        "on": True,
        "s": "x",
        "l": [1, "a"],
        "bad": "no date",
        "nothing": None,
        "empty": "",
    },
}


def _cell(kind, path):
    version = {"additionalPrinterColumns": [{"name": "C", "type": kind, "jsonPath": path}]}
    return columns_of(version).cells(_OBJ, _NOW)[1]


def test_without_columns_the_age_is_shown():
    layout = columns_of({"name": "v1"})
    assert [column["name"] for column in layout.columns] == ["Name", "Age"]
    assert layout.cells(_OBJ, _NOW) == ["a", "24h"]


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        pytest.param("string", ".spec.s", "x", id="text"),
        pytest.param("string", ".spec.n", "3", id="number-as-text"),
        pytest.param("string", ".spec.on", "true", id="truth-as-text"),
        pytest.param("string", ".spec.d", "2.5", id="double-as-text"),
        pytest.param("string", ".spec.l", '[1,"a"]', id="list-as-text"),
        pytest.param("string", ".spec.missing", None, id="missing"),
        pytest.param("string", ".spec.nothing", None, id="null"),
        pytest.param("integer", ".spec.n", 3, id="integer"),
        pytest.param("integer", ".spec.d", 2, id="integer-of-a-double"),
        pytest.param("integer", ".spec.s", None, id="integer-of-a-text"),
        pytest.param("number", ".spec.d", 2.5, id="number"),
        pytest.param("number", ".spec.on", None, id="number-of-a-truth"),
        pytest.param("boolean", ".spec.on", True, id="boolean"),
        pytest.param("boolean", ".spec.n", None, id="boolean-of-a-number"),
        pytest.param("date", ".metadata.creationTimestamp", "24h", id="date"),
        pytest.param("date", ".spec.bad", "<invalid>", id="no-date"),
        pytest.param("date", ".spec.n", None, id="date-of-a-number"),
        pytest.param("date", ".spec.empty", "<unknown>", id="no-date-yet"),
        pytest.param("other", ".spec.n", None, id="unknown-type"),
    ],
)
def test_cells(kind, path, cell):
    assert _cell(kind, path) == cell


def test_definitions_carry_priority_format_and_description():
    column = {"name": "N", "type": "integer", "format": "int32", "priority": 1, "jsonPath": ".spec.n"}
    assert columns_of({"additionalPrinterColumns": [column]}).columns[1] == {
        "name": "N",
        "type": "integer",
        "format": "int32",
        "priority": 1,
        "description": "Custom resource definition column (in JSONPath format): .spec.n",
    }


def test_a_malformed_path_ends_the_columns():
    columns = [{"name": "A", "type": "string", "jsonPath": "nope"}]
    assert [column["name"] for column in columns_of({"additionalPrinterColumns": columns}).columns] == [
        "Name"
    ]
