"""A component's settings: one frozen dataclass, filled from flags or from a YAML file of the same names.

    @dataclass(frozen=True)
    class Config:
        kubeconfig: Path = field(metadata={"help": "how to reach the API server"})
        node_monitor_grace_period_s: float = field(default=50.0, metadata={"flag":
        "node-monitor-grace-period", "help": ...})

Flags are the field names with dashes unless `flag` says otherwise. A field whose name ends in `_s` takes Go
durations ("1m30s") as well as seconds. `bool` fields become `--x` / `--no-x`; tuples of strings are
comma-separated, and a flag that is repeated adds to them. A field whose `flag` is "" is set by code alone.

A component whose file has a shape of its own gives its settings a class method
`from_file(content: bytes, flags: Mapping[str, Any]) -> Mapping[str, Any]`: it returns the fields as file and
flags together say them, and raises `ValueError`.
"""

import argparse
import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

C = TypeVar("C")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}


def parse_duration(text: str) -> float:
    """Return seconds from "90", "1.5", "90s" or "1m30s". Raises `ValueError`."""
    try:
        return float(text)
    except ValueError:
        pass
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse(kind: type[C], argv: Sequence[str], prog: str, description: str) -> C:
    """Return a `kind` from `argv`; `--config FILE` is read first and flags win. Exits with usage on bad
    input.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    own = getattr(kind, "from_file", None)
    text = "configuration file of upstream's shape" if own is not None else "YAML file with the same names"
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=text)
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if _flag(field)]  # type: ignore[arg-type]
    for field in fields:
        _add(parser, field, hints[field.name])
    values = vars(parser.parse_args(argv))
    if path := values.pop("config", None):
        if own is not None:
            values = _from_own_file(parser, path, own, values)
        else:
            known = {field.name: hints[field.name] for field in fields}
            values = {**_from_file(parser, path, known, fields), **values}
    missing = [f for f in fields if f.name not in values and _required(f)]
    if missing:
        parser.error("the following arguments are required: " + ", ".join(f"--{_flag(f)}" for f in missing))
    return kind(**values)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _flag(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata.get("flag", field.name.replace("_", "-")))


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], hint: Any) -> None:
    text = str(field.metadata.get("help", "")).replace("%", "%%")
    if field.default not in (dataclasses.MISSING, None, (), ""):
        text = f"{text} (default: {field.default})".strip()
    options: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS, "help": text}
    if hint is bool:
        parser.add_argument(f"--{_flag(field)}", action=_GoBool, nargs="?", const=True, **options)
    else:
        if typing.get_origin(hint) is tuple:
            options["action"] = _Extend
        options["metavar"] = str(field.metadata.get("metavar", field.name.split("_")[-1].upper()))
        parser.add_argument(f"--{_flag(field)}", type=_converter(field.name, hint), **options)


class _GoBool(argparse.Action):
    """`--x`, `--x=true` and `--x=false`, as Go's flags have it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if values not in (True, "true", "false"):
            parser.error(f"argument {option_string}: invalid boolean value {values!r}")
        setattr(namespace, self.dest, values in (True, "true"))


class _Extend(argparse.Action):
    """`--x a --x b,c` is `--x a,b,c`."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), *values))


def _converter(name: str, hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if hint is float and name.endswith("_s"):
        return parse_duration
    if typing.get_origin(hint) is tuple:
        return lambda text: tuple(part for part in text.split(",") if part)
    return hint


def _from_own_file(
    parser: argparse.ArgumentParser,
    path: Path,
    read: Callable[[bytes, Mapping[str, Any]], Mapping[str, Any]],
    flags: Mapping[str, Any],
) -> dict[str, Any]:
    try:
        return dict(read(path.read_bytes(), flags))
    except OSError as error:
        parser.error(f"cannot read {path}: {error}")
    except ValueError as error:
        parser.error(f"{path}: {error}")


def _from_file(
    parser: argparse.ArgumentParser,
    path: Path,
    hints: dict[str, Any],
    fields: Sequence[dataclasses.Field[Any]],
) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        parser.error(f"cannot read {path}: {error}")
    names = {_flag(field): field.name for field in fields} | {field.name: field.name for field in fields}
    if unknown := sorted(set(data) - set(names)):
        parser.error(f"{path}: unknown settings: {', '.join(unknown)}")
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = names[key]
        ready = isinstance(value, bool) or (hints[name] in (int, float) and isinstance(value, int | float))
        text = ",".join(value) if isinstance(value, list) else value
        values[name] = value if ready else _converter(name, hints[name])(str(text))
    return values
