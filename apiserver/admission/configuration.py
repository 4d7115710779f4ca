"""The configuration file of admission plugins (`--admission-control-config-file`).

    kind: AdmissionConfiguration
    plugins:
    - name: PodSecurity
      configuration: {...}        or path: file, relative to this one

Called by `guard.py`. Source: apiserver.config.k8s.io/v1 AdmissionConfiguration (1.36).
"""

from collections.abc import Mapping
from pathlib import Path

from api.codec import yaml
from api.codec.json import DecodeError
from api.resource import Obj


def load(path: Path | None) -> Mapping[str, Obj]:
    """Return the configuration of each plugin that has one. Raises `OSError`, `ValueError`."""
    if path is None:
        return {}
    content = _read(path)
    if content.get("kind") != "AdmissionConfiguration":
        raise ValueError(f"{path}: not an AdmissionConfiguration")
    return {plugin["name"]: _configuration(plugin, path.parent) for plugin in content.get("plugins") or ()}


def _configuration(plugin: Obj, folder: Path) -> Obj:
    inline, path = plugin.get("configuration"), plugin.get("path")
    if path:
        return _read(folder / path)
    return inline if isinstance(inline, dict) else {}


def _read(path: Path) -> Obj:
    try:
        content = yaml.loads(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not an object")
    return content
