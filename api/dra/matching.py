"""Whether a device satisfies a selector: the device as expressions see it, and their evaluation.

    device.driver                        the name of the driver
    device.attributes["domain"].name     attributes by domain; those without one have the driver's
    device.capacity["domain"].name       likewise
    device.allowMultipleAllocations

A domain that a device lacks is an empty map, so that `"name" in device.attributes["domain"]` is no error.
Called by the scheduler.
Source: dynamic-resource-allocation/cel/compile.go (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.cel.cost import Budget
from api.cel.errors import EvaluationError
from api.cel.library.quantity import QuantityValue
from api.cel.library.semver import parse_version
from api.cel.values import Defaulting, type_name
from api.dra.selectors import COST_MAX, compiled
from api.quantity import parse_quantity

_NONE: Mapping[str, Any] = {}
_HINT = "Consider using CEL optional chaining (?), has() macro, or orValue() for optional fields"


class SelectorError(Exception):
    """A selector that says neither yes nor no of a device; `str(error)` is why, in upstream's words."""


def qualified(name: str, driver: str) -> tuple[str, str]:
    """Return domain and identifier of an attribute's or a capacity's name."""
    domain, slash, identifier = name.partition("/")
    return (domain, identifier) if slash else (driver, name)


def bindings_of(device: Mapping[str, Any], driver: str) -> Mapping[str, Any]:
    """Return what expressions see of a device of a ResourceSlice. Raises SelectorError."""
    attributes = {name: _value(name, value) for name, value in (device.get("attributes") or _NONE).items()}
    capacity = {
        name: QuantityValue(parse_quantity(value.get("value", "0")))
        for name, value in (device.get("capacity") or _NONE).items()
    }
    seen = {
        "driver": driver,
        "attributes": _by_domain(attributes, driver),
        "capacity": _by_domain(capacity, driver),
        "allowMultipleAllocations": bool(device.get("allowMultipleAllocations")),
    }
    return {"device": seen}


def _by_domain(values: Mapping[str, Any], driver: str) -> Defaulting:
    domains: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        domain, identifier = qualified(name, driver)
        domains.setdefault(domain, {})[identifier] = value
    return Defaulting(domains, _NONE)


def _value(name: str, attribute: Mapping[str, Any]) -> Any:
    for kind in ("int", "bool", "string", "ints", "bools", "strings"):
        if attribute.get(kind) is not None:
            return attribute[kind]
    try:
        if attribute.get("version") is not None:
            return parse_version(attribute["version"])
        if attribute.get("versions") is not None:
            return [parse_version(text) for text in attribute["versions"]]
    except EvaluationError as error:
        raise SelectorError(f"attribute {name}: parse semantic version: {error}") from error
    raise SelectorError(f"attribute {name}: unsupported attribute value")


def satisfies(expression: str, bindings: Mapping[str, Any]) -> bool:
    """Say whether an expression holds of a device, given by `bindings_of`. Raises SelectorError."""
    program = compiled(expression)
    if isinstance(program, str):
        raise SelectorError(f"CEL compile error: {program}")
    try:
        result = program.compute(bindings, Budget(COST_MAX))
    except EvaluationError as error:
        hint = f". {_HINT}" if str(error).startswith("no such key:") else ""
        raise SelectorError(f"CEL runtime error: {error}{hint}") from error
    if result.__class__ is not bool:
        kind = type_name(result)
        text = f"CEL result of type {kind} could not be converted to bool"
        raise SelectorError(f"CEL runtime error: {text}: type conversion error from '{kind}' to 'bool'")
    return bool(result)
