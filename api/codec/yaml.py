"""YAML to objects, reading scalars as sigs.k8s.io/yaml does.

`yes` is true, `0644` is 420, `1e3` is 1000, `1:30` and dates are text. Called by the API server for YAML and
apply bodies, and by the command line for manifests. Objects are built from the parser's events, so that
doubled keys are seen with their lines, and aliases and nesting are limited.
Source: sigs.k8s.io/yaml, go.yaml.in/yaml/v2 resolve.go and decode.go.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from api.codec import json, shapes
from api.codec.json import DecodeError
from api.resource import Obj

# libyaml's C stack and orjson's limit both ask for a bound.
MAX_DEPTH = 250
# What aliases may add in all: more is an attack (each alias can double the document).
MAX_ALIASED = 100_000
# So many bytes of a text count as one more value, so that a long one cannot be repeated at will.
BYTES_PER_VALUE = 64

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_SPECIAL_FLOATS = frozenset(
    (".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF")
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
# Texts that read as times or in base 60 by YAML 1.1: written with double quotes, as kubectl does.
_MOMENT = re.compile(r"\d{4}-\d\d?-\d\d?|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?$", re.ASCII)
_WHOLE_FLOAT = re.compile(rb"[0-9](\.0|[0-9.]*[eE])")
_INT_LIMITS = range(-(2**63), 2**64)


@dataclass
class Document:
    """One document and the faults that only strict readers mind: `line 9: key "foo" already set in map`."""

    value: Any
    duplicates: list[str] = field(default_factory=list)


def loads(data: bytes | str) -> Obj:
    """Return the object that the first document says; DecodeError if it is malformed or no object."""
    if (obj := _from_json(data)) is not None:
        return obj
    return _object(next(documents(data), Document(None)).value)


def loads_strict(data: bytes | str) -> tuple[Obj, list[str]]:
    """Return the object of the first document and its doubled keys, in upstream's words."""
    if (obj := _from_json(data)) is not None:
        return obj, []
    document = next(documents(data), Document(None))
    return _object(document.value), document.duplicates


def loads_all(data: bytes | str) -> list[Obj]:
    """Return the objects of all documents; empty ones are left out."""
    return [_object(document.value) for document in documents(data) if document.value is not None]


def dumps(obj: Any) -> bytes:
    """Return YAML as kubectl prints it: sorted keys, block style, lists not indented."""
    text: str = yaml.dump(
        obj, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True, width=2**31 - 1
    )
    return text.encode()


def strict_fault(duplicates: list[str]) -> str:
    """Return the one fault that a strict reader reports for doubled keys."""
    return "yaml: unmarshal errors:\n" + "\n".join(f"  {text}" for text in duplicates)


def documents(data: bytes | str) -> Iterator[Document]:
    """Yield every document of a stream; DecodeError in upstream's words."""
    builder = _Builder()
    try:
        for event in yaml.parse(data, Loader=yaml.CSafeLoader):
            match event:
                case yaml.DocumentStartEvent():
                    builder = _Builder()
                case yaml.DocumentEndEvent():
                    yield Document(builder.root, builder.duplicates)
                case yaml.StreamStartEvent() | yaml.StreamEndEvent():
                    continue
                case _:
                    builder.feed(event)
    except yaml.MarkedYAMLError as error:
        raise _fault(f"{_where(error)}{_words(error)}") from error
    except yaml.YAMLError as error:
        raise _fault(f"{error}") from error


def _from_json(data: bytes | str) -> Obj | None:
    """Return the object if the text is JSON without doubled keys, as clients send it for apply.

    That is YAML, too, but read a hundred times as fast.
    """
    raw = data.encode() if isinstance(data, str) else data
    if raw.lstrip()[:1] != b"{":
        return None
    try:
        value = json.loads_any(raw)
        if not isinstance(value, dict) or json.duplicate_fields(raw, value):
            return None
    except DecodeError:
        return None
    return _with_whole_numbers(value) if _WHOLE_FLOAT.search(raw) else value


def _with_whole_numbers(value: Any) -> Any:
    """Return the value with floats that are whole as integers, as the YAML reader gives them."""
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _fault(text: str, parser: str = "yaml: ") -> DecodeError:
    return DecodeError(f"error converting YAML to JSON: {parser}{text}")


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}: " if mark is not None else ""


def _words(error: yaml.MarkedYAMLError) -> str:
    return str(error.problem or error.context or error)


def _object(value: Any) -> Obj:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _fault("the document is not an object", parser="")
    return value


@dataclass
class _Open:
    """A list or map that is being built; `key` is the map's key that waits for its value."""

    value: Any
    anchor: str | None
    size: int = 1
    key: str | None = None
    merges: bool = False
    # Keys that came from `<<`: a plain key may replace them.
    merged: set[str] = field(default_factory=set)


class _Builder:
    """Builds one document from events, without recursion."""

    def __init__(self) -> None:
        self.root: Any = None
        self.duplicates: list[str] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliased = 0

    def feed(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add_scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self._open) >= MAX_DEPTH:
                    raise _fault("exceeded max depth of nesting")
                empty: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._open.append(_Open(empty, event.anchor))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._open.pop()
                if done.anchor:
                    self._anchors[done.anchor] = (done.value, done.size)
                self._add(done.value, done.size)
            case yaml.AliasEvent():
                self._add_alias(event)

    def _add_scalar(self, event: Any) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None and not parent.merges:
            self._open_key(parent, event, event.start_mark.line)
            return
        value = _scalar(event)
        size = 1 + len(event.value) // BYTES_PER_VALUE
        if event.anchor:
            self._anchors[event.anchor] = (value, size)
        self._add(value, size)

    def _open_key(self, parent: _Open, event: Any, line: int) -> None:
        if event.value == "<<" and event.implicit[0] and not event.style:
            parent.merges = True
            return
        key = _key_text(_scalar(event))
        if event.anchor:
            self._anchors[event.anchor] = (key, 1 + len(key) // BYTES_PER_VALUE)
        if key in parent.value and key not in parent.merged:
            self.duplicates.append(f'line {line + 1}: key "{key}" already set in map')
        parent.merged.discard(key)
        parent.key = key

    def _add_alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            if any(item.anchor == event.anchor for item in self._open):
                raise _fault(f"anchor '{event.anchor}' value contains itself")
            raise _fault(f"unknown anchor '{event.anchor}' referenced")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _fault("document contains excessive aliasing")
        self._add(shapes.copy(value), size)

    def _add(self, value: Any, size: int) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.merges:
            parent.merges = False
            _merge(parent, value)
        elif parent.key is None:
            kind = "map[interface {}]interface {}" if isinstance(value, dict) else "[]interface {}"
            raise _fault(f"invalid map key: {kind}")
        else:
            parent.value[parent.key] = value
            parent.key = None


def _merge(parent: _Open, value: Any) -> None:
    """Take over the members of a merged map, or of a list of maps, that are not there yet."""
    sources = value if isinstance(value, list) else [value]
    for source in sources:
        if not isinstance(source, dict):
            raise _fault("map merge requires map or sequence of maps as the value")
        for key, item in source.items():
            if key not in parent.value:
                parent.value[key] = item
                parent.merged.add(key)


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = event.tag
    if tag in (None, "!") or tag == _TAG + "str":
        return _resolve(text) if tag is None and event.implicit[0] and not event.style else text
    if tag == _TAG + "binary":
        try:
            return base64.b64decode(text.encode(), validate=False).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise _fault("!!binary value contains invalid base64 data") from error
    return _tagged(text, tag)


def _tagged(text: str, tag: str) -> Any:
    value = _resolve(text)
    if tag == _TAG + "float" and isinstance(value, int) and not isinstance(value, bool):
        return value
    wanted = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(tag.removeprefix(_TAG))
    if wanted is None:
        return text
    if not isinstance(value, wanted):
        raise _fault(f"cannot decode !!str `{text}` as a {tag.replace(_TAG, '!!')}")
    return value


def _resolve(text: str) -> Any:
    """Return what a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first not in "+-.0123456789":
        return text
    if text in _SPECIAL_FLOATS:
        raise _fault(f"json: unsupported value: {text}", parser="")
    return _number(text)


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    if match := _INT.fullmatch(plain):
        sign, hexa, binary, octal, decimal = match.groups()
        digits, base = next(
            (found, base) for found, base in ((hexa, 16), (binary, 2), (octal, 8), (decimal, 10)) if found
        )
        number = -int(digits, base) if sign == "-" else int(digits, base)
        if number in _INT_LIMITS:
            return number
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        # Go writes a whole float without a fraction, so it reads back as an integer.
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return text


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        raise _fault("unsupported map key of type: null", parser="")
    return str(key)


class _Dumper(yaml.CSafeDumper):
    """Writes texts that would read as something else with quotes, and never with anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> Any:
    if (
        "\n" in text
        and not text.startswith((" ", "\n"))
        and all(line == line.rstrip() for line in text.split("\n"))
    ):
        return dumper.represent_scalar(_TAG + "str", text, style="|")
    if _MOMENT.match(text) or not isinstance(_quoted_probe(text), str):
        return dumper.represent_scalar(_TAG + "str", text, style='"')
    return dumper.represent_scalar(_TAG + "str", text)


def _quoted_probe(text: str) -> Any:
    try:
        return _resolve(text)
    except DecodeError:
        return None


_Dumper.add_representer(str, _represent_text)
