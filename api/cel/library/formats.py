"""Named formats of texts: `format.dns1123Label().validate(text)` gives what is wrong, or nothing.

Spec: k8s.io/apiserver/pkg/cel/library/format.go (1.36); k8s.io/kube-openapi/pkg/validation/strfmt.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from api import names
from api.cel.cost import PATTERN_CHARACTER, Estimate, Range, Sized, traverse
from api.cel.declarations import Library, Overload
from api.cel.errors import EvaluationError
from api.cel.library.url import parse_url
from api.cel.times import parse_date, parse_timestamp
from api.cel.types import STRING, Type, list_of, opaque, optional_of
from api.cel.values import ABSENT, Opaque, Optional

FORMAT = opaque("kubernetes.NamedFormat")

Check = Callable[[str], list[str]]
_UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)
# The lengths of the regular expressions of upstream's checks: a check costs as much as matching them.
_URL_LENGTH, _UUID_LENGTH, _BASE64_LENGTH, _MOMENT_LENGTH = 1007, 98, 88, 188
# What upstream takes for the longest of them beforehand.
_ASSUMED_LENGTH = 128


@dataclass(frozen=True, slots=True)
class FormatValue(Opaque):
    """A format: what it is called, its check, and the length of the regular expression it stands for."""

    cel_type: ClassVar[Type] = FORMAT
    name: str
    check: Check
    length: int


def _prefix(check: Check) -> Check:
    """Return the check of a prefix of names: a dash at the end counts as the letter to come."""
    return lambda text: check(names.stem(text))


def _uri(text: str) -> list[str]:
    try:
        parse_url(text)
    except EvaluationError as error:
        return [str(error).partition("from string: ")[2]]
    return []


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return [] if text else ["invalid base64"]


def _moment(parse: Callable[[str], Any], complaint: str) -> Check:
    def check(text: str) -> list[str]:
        try:
            parse(text)
        except EvaluationError:
            return [complaint]
        return []

    return check


FORMATS: dict[str, FormatValue] = {
    "dns1123Label": FormatValue("DNS1123Label", names.is_dns1123_label, 30),
    "dns1123Subdomain": FormatValue("DNS1123Subdomain", names.is_dns1123_subdomain, 60),
    "dns1035Label": FormatValue("DNS1035Label", names.is_dns1035_label, 30),
    "qualifiedName": FormatValue("QualifiedName", names.is_qualified_name, 60),
    "dns1123LabelPrefix": FormatValue("DNS1123LabelPrefix", _prefix(names.is_dns1123_label), 30),
    "dns1123SubdomainPrefix": FormatValue("DNS1123SubdomainPrefix", _prefix(names.is_dns1123_subdomain), 60),
    "dns1035LabelPrefix": FormatValue("DNS1035LabelPrefix", _prefix(names.is_dns1035_label), 30),
    "labelValue": FormatValue("LabelValue", names.is_label_value, 40),
    "uri": FormatValue("URI", _uri, _URL_LENGTH),
    "uuid": FormatValue("uuid", _uuid, _UUID_LENGTH),
    "byte": FormatValue("byte", _byte, _BASE64_LENGTH),
    "date": FormatValue("date", _moment(parse_date, "invalid date"), _MOMENT_LENGTH),
    "datetime": FormatValue("datetime", _moment(parse_timestamp, "invalid datetime"), _MOMENT_LENGTH),
}


def _named(name: str) -> Optional:
    return Optional(FORMATS[name], True) if name in FORMATS else ABSENT


def _validate(form: FormatValue, text: str) -> Optional:
    errors = form.check(text)
    return Optional(errors, True) if errors else ABSENT


def _cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(len(args[1])) * traverse(args[0].length, PATTERN_CHARACTER)


def _bound(args: list[Sized]) -> Estimate:
    pattern = traverse(_ASSUMED_LENGTH, PATTERN_CHARACTER)
    return Estimate(args[1].size.scaled(0.1).times(Range(pattern, pattern)))


def _constant(form: FormatValue) -> tuple[Overload, ...]:
    return (Overload((), FORMAT, lambda: form),)


FUNCTIONS: Library = {
    "format.named": (Overload((STRING,), optional_of(FORMAT), _named),),
    "validate": (Overload((FORMAT, STRING), optional_of(list_of(STRING)), _validate, True, _cost, _bound),),
    **{f"format.{name}": _constant(form) for name, form in FORMATS.items()},
}
