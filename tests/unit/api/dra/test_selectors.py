"""Selectors of devices: what compiles and what does not."""

import pytest

from api.dra.selectors import selectors_errors
from api.field import Path
from tests.unit.api.kinds_sample import texts

EACH = "device.attributes.all(%s, %s)"
EXPENSIVE = EACH % ("a", EACH % ("b", EACH % ("c", EACH % ("d", "a + b == c + d"))))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param('device.driver == "dra.example.com"', [], id="driver"),
        pytest.param('device.attributes["d.io"].model == "a100"', [], id="attribute"),
        pytest.param('device.attributes["d.io"].healthy', [], id="unknown-type"),
        pytest.param('device.attributes["d.io"].model.matches("a.*0")', [], id="pattern"),
        pytest.param('device.capacity["d.io"].memory.compareTo(quantity("1Gi")) >= 0', [], id="capacity"),
        pytest.param("device.allowMultipleAllocations == true", [], id="shared"),
        pytest.param(
            '"yes"',
            ["must evaluate to bool or the unknown type, not string"],
            id="string",
        ),
        pytest.param("device.noSuchField == 1", ["undefined field 'noSuchField'"], id="field"),
        pytest.param("devise.driver == ''", ["undeclared reference to 'devise'"], id="variable"),
        pytest.param("device.driver ==", ["Syntax error"], id="syntax"),
        pytest.param(EXPENSIVE, ["Forbidden: too complex, exceeds cost limit"], id="expensive"),
    ],
)
def test_expressions(expression, expected):
    found = texts(selectors_errors([{"cel": {"expression": expression}}], Path("selectors")))
    assert len(found) == len(expected), found
    for text, part in zip(found, expected, strict=True):
        assert text.startswith("selectors[0].cel.expression: ")
        assert part in text


def test_what_was_stored_is_not_compiled_again():
    assert selectors_errors([{"cel": {"expression": "1 +"}}], Path("selectors"), stored=True) == []
