"""Writes api/schema/protobuf.json: the protobuf field numbers of every served kind, which OpenAPI does not
tell.

    python -m tools.gen_protobuf /usr/bin/kubectl

They are read from the struct tags that any Go program linked with k8s.io/api carries in its type data: a
`typelinks` table of addresses, from each a type with its fields, from each field its name and tag.
Spec: Go internal/abi type.go (1.20 to 1.24, 64-bit little-endian ELF, not position-independent).
"""

import re
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tools.gen_types import load_definitions

OUTPUT = Path(__file__).resolve().parent.parent / "api" / "schema" / "protobuf.json"

_BOOL, _FLOAT64, _MAP, _PTR, _SLICE, _STRING, _STRUCT = 1, 14, 21, 22, 23, 24, 25
_INTEGERS = frozenset((2, 3, 4, 5, 6))
_BYTE = 8
_NAMED, _EXTRA_STAR, _UNCOMMON = 4, 2, 1
_PROTOBUF = re.compile(r'protobuf:"[a-z0-9]+,(\d+),')
_JSON = re.compile(r'json:"([^"]*)"')
# Go import path -> OpenAPI prefix.
_PACKAGES = (
    (re.compile(r"k8s\.io/api/(\w+)/(v\d+)"), "io.k8s.api.{}.{}."),
    (re.compile(r"k8s\.io/apimachinery/pkg/apis/meta/(v1)"), "io.k8s.apimachinery.pkg.apis.meta.{}."),
    (
        re.compile(r"k8s\.io/apimachinery/pkg/(runtime|util/intstr|api/resource)"),
        "io.k8s.apimachinery.pkg.{}.",
    ),
    (
        re.compile(r"k8s\.io/apiextensions-apiserver/pkg/apis/apiextensions/(v1)"),
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{}.",
    ),
    (
        re.compile(r"k8s\.io/kube-aggregator/pkg/apis/apiregistration/(v1)"),
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.{}.",
    ),
)


@dataclass
class GoType:
    """A Go type: `fields` are (name, tag, address of the type)."""

    kind: int
    name: str
    package: str = ""
    elem: int = 0
    fields: list[tuple[str, str, int]] = field(default_factory=list)


class Binary:
    """The type data of a Go program."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        start, (size, count, names) = self._u("<Q", 40)[0], self._u("<HHH", 58)
        headers = [self._u("<IIQQQQIIQQ", start + index * size) for index in range(count)]
        self._sections = [item for item in headers if item[1] != 8 and item[3]]
        by_name = {self._text(headers[names][4] + item[0]): item for item in headers}
        self._base = by_name[".rodata"][3]
        links = by_name[".typelink"]
        self._links = self._u(f"<{links[5] // 4}i", links[4])
        self._types: dict[int, GoType] = {}

    def structs(self) -> list[GoType]:
        """Return every named struct that can be reached from the table of types."""
        waiting = [self._base + link for link in self._links]
        while waiting:
            address = waiting.pop()
            if address and address not in self._types:
                found = self.type(address)
                waiting += [found.elem, *(item[2] for item in found.fields)]
        return [item for item in self._types.values() if item.kind == _STRUCT and item.package]

    def type(self, address: int) -> GoType:
        if address not in self._types:
            self._types[address] = self._parse(self._at(address))
        return self._types[address]

    def _parse(self, at: int) -> GoType:
        flags, kind = self._data[at + 20], self._data[at + 23] & 31
        name, _ = self._name(self._base + self._u("<i", at + 40)[0])
        found = GoType(kind, name[1:] if flags & _EXTRA_STAR else name)
        body = at + 48
        sizes = {_PTR: 8, _SLICE: 8, _STRUCT: 32, _STRING: 0, _BOOL: 0, _FLOAT64: 0}
        if kind in (_PTR, _SLICE):
            found.elem = self._u("<Q", body)[0]
        elif kind == _MAP:
            found.elem = self._u("<Q", body + 8)[0]
        elif kind == _STRUCT:
            first, count = self._u("<QQ", body + 8)
            rows = [self._u("<QQQ", self._at(first) + 24 * index) for index in range(count)]
            found.fields = [(*self._name(row[0]), row[1]) for row in rows]
        size = 0 if kind in _INTEGERS else sizes.get(kind)
        if flags & _UNCOMMON and size is not None:
            link = self._u("<i", body + size)[0]
            found.package = self._name(self._base + link)[0] if link else ""
        return found

    def _name(self, address: int) -> tuple[str, str]:
        at = self._at(address)
        flags = self._data[at]
        text, at = self._counted(at + 1)
        tag = self._counted(at)[0] if flags & 2 else ""
        return text, tag

    def _counted(self, at: int) -> tuple[str, int]:
        length = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return self._data[at : at + length].decode(), at + length

    def _at(self, address: int) -> int:
        for item in self._sections:
            if item[3] <= address < item[3] + item[5]:
                return int(address - item[3] + item[4])
        raise SystemExit(f"no section holds address {address:#x}")

    def _u(self, form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(form, self._data, at)

    def _text(self, at: int) -> str:
        return self._data[at : self._data.index(b"\0", at)].decode()


def openapi_name(found: GoType) -> str:
    """Return the OpenAPI name of a Go type, "" if it is of no served package."""
    for pattern, form in _PACKAGES:
        match = pattern.fullmatch(found.package)
        if match:
            return (
                form.format(*(part.replace("/", ".") for part in match.groups())) + found.name.split(".")[-1]
            )
    return ""


def code_of(binary: Binary, address: int) -> str:
    """Return how values of a type are encoded: see `api/codec/protobuf.py`."""
    found = binary.type(address)
    if found.kind == _PTR:
        return code_of(binary, found.elem)
    if found.kind == _SLICE:
        if binary.type(found.elem).kind == _BYTE:
            return "y"
        # A named slice (ExtraValue) is a message with one repeated field.
        return ("items:" if found.package else "[]") + code_of(binary, found.elem)
    if found.kind == _MAP:
        return "{}" + code_of(binary, found.elem)
    if found.kind == _STRUCT:
        return openapi_name(found) or found.name
    if found.kind in _INTEGERS:
        return "i"
    return {_STRING: "s", _BOOL: "b", _FLOAT64: "f"}[found.kind]


def message_of(binary: Binary, found: GoType) -> dict[str, str]:
    """Return `{number: "name code"}`; `?` before the code: left out when zero; name "" : its fields are
    inlined."""
    made: dict[str, str] = {}
    for _, tag, address in found.fields:
        number, name = _PROTOBUF.search(tag), _JSON.search(tag)
        if number and name:
            words = name[1].split(",")
            scalar = binary.type(address).kind in (_STRING, _BOOL, *_INTEGERS)
            mark = "?" if "omitempty" in words and scalar else ""
            made[number[1]] = f"{words[0]} {mark}{code_of(binary, address)}"
    return made


def main(path: str) -> None:
    binary = Binary(Path(path).read_bytes())
    known = load_definitions()
    found = {name: item for item in binary.structs() if (name := openapi_name(item)) and item.fields}
    table = {name: message_of(binary, item) for name, item in sorted(found.items())}
    # Inlined structs have no OpenAPI name of their own; keep them, and drop whole kinds that are not served.
    table = {name: fields for name, fields in table.items() if fields or name in known}
    OUTPUT.write_bytes(orjson.dumps(table, option=orjson.OPT_INDENT_2) + b"\n")
    print(f"{len(table)} messages -> {OUTPUT}")


if __name__ == "__main__":
    main(sys.argv[1])
