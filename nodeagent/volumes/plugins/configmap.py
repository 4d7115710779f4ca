"""`configMap` volumes. PURE. Source: pkg/volume/configmap MakePayload (1.36)."""

import base64

from api.resource import Obj
from nodeagent.volumes.atomic import FileContent
from nodeagent.volumes.plugin import Files, View, VolumeError, default_mode, pick


def layout(volume: Obj, view: View) -> Files:
    source = volume["configMap"]
    return Files(files_of(source, view, default_mode(source)), memory=False)


def files_of(source: Obj, view: View, mode: int) -> dict[str, FileContent]:
    """Return the files of one source; also a part of projected volumes. Raises `VolumeError`."""
    name, optional = source.get("name", ""), bool(source.get("optional"))
    found = view.configmaps.get(name)
    if found is None:
        if optional:
            return {}
        raise VolumeError(f'configmap "{name}" not found')
    available = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    available |= {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
    return pick(available, source.get("items"), mode, optional, "config")
