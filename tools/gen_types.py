"""Generates `api/types/*.py`, `api/schema/bundle.json` and `api/schema/kinds.json` from kubernetes-validate.

Run `python -m tools.gen_types` after an update of that package. What it writes holds names, types, list and
merge keys only: no prose. Shapes of versions that we do not serve are left out.
"""

import importlib.util
import json
import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tools.resources import TABLE, Row, module_of

ROOT = Path(__file__).resolve().parent.parent
VERSION = "v1.36.0-local"
WIDTH = 110

# Definitions that are not objects with named fields, and the type that reads best in logic.
ALIASES = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "str",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "str",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "str | int | float",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int | str",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "Any",
}
_META = re.compile(
    r"^io\.k8s\.apimachinery\.pkg\.(apis\.meta\.v1|api\.resource|runtime|util\.intstr|version)\."
)
_GROUP = re.compile(r"^io\.k8s\.(?:api|[a-z-]+\.pkg\.apis)\.([a-z]+)\.(v\w+)\.(\w+)$")
_KEPT = (
    "type", "format", "enum", "required", "items", "additionalProperties", "$ref", "oneOf",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
)  # fmt: skip
_SCALARS = {
    "string": "str",
    "integer": "int",
    "boolean": "bool",
    "number": "float",
    "object": "dict[str, Any]",
}
_REF = "#/$defs/"

Definitions = dict[str, dict[str, Any]]


def load_definitions() -> Definitions:
    """Return the upstream definitions by OpenAPI name."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package kubernetes-validate is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema" / VERSION
    definitions: Definitions = orjson.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return definitions


def module_and_name(definition: str) -> tuple[str, str]:
    """`io.k8s.api.apps.v1.Deployment` -> (`apps_v1`, `Deployment`)."""
    name = definition.rsplit(".", 1)[1]
    if _META.match(definition):
        return "meta_v1", name
    if match := _GROUP.match(definition):
        return f"{match[1]}_{match[2]}", name
    raise SystemExit(f"a definition with an unknown name: {definition}")


def served_modules() -> set[str]:
    rows = {module_of(group, version) for group, versions in TABLE.items() for version in versions}
    return rows | {"meta_v1"}


def strip(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without prose; `oneOf` of plain types becomes one list of types."""
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if "oneOf" in kept:
        types = [name for option in kept.pop("oneOf") for name in option["type"] if name != "null"]
        kept["type"] = [*types, "null"]
    if "properties" in schema:
        kept["properties"] = {name: strip(value) for name, value in sorted(schema["properties"].items())}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = strip(kept[key])
    return kept


def write_schema(definitions: Definitions, root: Path) -> None:
    """Write the bundle that one read loads, and the table of kinds."""
    folder = root / "api" / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    bundle = {name: strip(schema) for name, schema in sorted(definitions.items())}
    (folder / "bundle.json").write_bytes(orjson.dumps({"$defs": bundle}, option=orjson.OPT_SORT_KEYS) + b"\n")
    kinds: dict[str, str] = {}
    for name, schema in sorted(definitions.items()):
        tokens = schema.get("x-kubernetes-group-version-kind", [])
        if len(tokens) == 1:
            kinds["/".join((tokens[0]["group"], tokens[0]["version"], tokens[0]["kind"]))] = name
    (folder / "kinds.json").write_text(json.dumps(kinds, indent=0, sort_keys=True) + "\n")


def references(schema: Any) -> Iterator[str]:
    """Yield the names of definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_REF)
        for value in schema.values():
            yield from references(value)


def python_type(schema: dict[str, Any], module: str, later: set[str]) -> str:
    """Return the annotation of a schema; names that are defined `later` in the module make it a string."""
    text, quoted = _annotation(schema, module, later)
    return f'"{text}"' if quoted else text


def json_type(schema: dict[str, Any]) -> str:
    """Return the one JSON type of a schema, or "" if it has none; a list of types only adds null."""
    kind = schema.get("type", "")
    return kind if isinstance(kind, str) else next(name for name in kind if name != "null")


def _annotation(schema: dict[str, Any], module: str, later: set[str]) -> tuple[str, bool]:
    if "$ref" in schema:
        definition = schema["$ref"].removeprefix(_REF)
        other, name = module_and_name(definition)
        return (name if other == module else f"{other}.{name}"), definition in later
    kind = json_type(schema)
    if kind == "array":
        text, quoted = _annotation(schema["items"], module, later)
        return f"list[{text}]", quoted
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        text, quoted = _annotation(schema["additionalProperties"], module, later)
        return f"dict[str, {text}]", quoted
    return _SCALARS.get(kind, "Any"), False


def shape(definition: str, schema: dict[str, Any], module: str, later: set[str]) -> str:
    """Return the source of one definition."""
    name = module_and_name(definition)[1]
    if definition in ALIASES:
        return f"{name}: TypeAlias = {ALIASES[definition]}\n"
    properties = schema.get("properties")
    if not properties:
        return f"{name}: TypeAlias = {_annotation(schema, module, later)[0]}\n"
    fields = {key: python_type(value, module, later) for key, value in properties.items()}
    if all(key.isidentifier() and not keyword.iskeyword(key) for key in fields):
        body = "\n".join(f"    {key}: {text}" for key, text in fields.items())
        return f"class {name}(TypedDict, total=False):\n{body}\n"
    body = "\n".join(f"        {json.dumps(key)}: {text}," for key, text in fields.items())
    return f'{name} = TypedDict(\n    "{name}",\n    {{\n{body}\n    }},\n    total=False,\n)\n'


def dependency_order(definitions: Definitions) -> list[str]:
    """Return names so that what is referred to comes first, as far as there are no cycles."""
    done: dict[str, None] = {}
    open_names: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in open_names or name not in definitions:
            return
        open_names.add(name)
        for other in references(definitions[name]):
            visit(other)
        open_names.discard(name)
        done[name] = None

    for name in sorted(definitions):
        visit(name)
    return list(done)


def token(row: Row, group: str, version: str) -> str:
    """Return the source of one `Resource` token."""
    parts = [f'"{group}"', f'"{version}"', f'"{row.plural}"', f'"{row.definition}"']
    if not row.namespaced:
        parts.append("namespaced=False")
    parts.append(f'singular="{row.definition.lower()}"')
    for name in ("short_names", "categories", "subresources", "verbs"):
        value: tuple[str, ...] = getattr(row, name)
        if value:
            listed = ", ".join(f'"{item}"' for item in value)
            parts.append(f"{name}=({listed}{',' if len(value) == 1 else ''})")
    parts.append(f'list_kind="{row.definition}List"')
    head = f"{row.plural.upper()}: Resource[{row.definition}] = Resource("
    line = head + ", ".join(parts) + ")"
    if len(line) <= WIDTH:
        return line + "\n"
    return head + "\n" + "".join(f"    {part},\n" for part in parts) + ")\n"


def module_text(module: str, names: list[str], definitions: Definitions, tokens: list[str]) -> str:
    """Return the source of one module of shapes and tokens."""
    others = sorted(
        {module_and_name(ref)[0] for name in names for ref in references(definitions[name])} - {module}
    )
    later = set(names)
    shapes = []
    for name in names:
        shapes.append(shape(name, definitions[name], module, later))
        later.discard(name)
    body = "\n\n".join(shapes)
    typing = [word for word in ("Any", "TypeAlias", "TypedDict") if re.search(rf"\b{word}\b", body)]
    head = f'"""Shapes of {module.replace("_", "/")}. Generated by tools/gen_types.py: do not edit."""\n\n'
    head += f"from typing import {', '.join(typing)}\n\n"
    imports = [f"from api.types import {', '.join(others)}\n"] if others else []
    if tokens:
        imports.insert(0, "from api.resource import Resource\n")
    text = head + "".join(imports) + "\n\n" + body + ("\n\n" + "".join(tokens) if tokens else "")
    return re.sub(r"\n{4,}", "\n\n\n", text)


def generate(root: Path) -> None:
    """Generate everything below a folder."""
    folder = root / "api" / "types"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    served = served_modules()
    definitions = {
        name: schema for name, schema in load_definitions().items() if module_and_name(name)[0] in served
    }
    write_schema(definitions, root)
    by_module: dict[str, list[str]] = {module: [] for module in served}
    for name in dependency_order(definitions):
        by_module[module_and_name(name)[0]].append(name)
    tokens: dict[str, list[str]] = {module: [] for module in served}
    for group, versions in TABLE.items():
        for version, rows in versions.items():
            tokens[module_of(group, version)] += [token(row, group, version) for row in rows]
    for module, names in sorted(by_module.items()):
        (folder / f"{module}.py").write_text(module_text(module, names, definitions, tokens[module]))


if __name__ == "__main__":
    generate(ROOT)
