"""`secret` volumes. PURE. Source: pkg/volume/secret MakePayload (1.36)."""

import base64

from api.resource import Obj
from nodeagent.volumes.atomic import FileContent
from nodeagent.volumes.plugin import Files, View, VolumeError, default_mode, pick


def layout(volume: Obj, view: View) -> Files:
    source = volume["secret"]
    return Files(files_of(source, source.get("secretName", ""), view, default_mode(source)), memory=True)


def files_of(source: Obj, name: str, view: View, mode: int) -> dict[str, FileContent]:
    """Return the files of one source; also a part of projected volumes. Raises `VolumeError`."""
    optional = bool(source.get("optional"))
    found = view.secrets.get(name)
    if found is None:
        if optional:
            return {}
        raise VolumeError(f'secret "{name}" not found')
    available = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
    return pick(available, source.get("items"), mode, optional, "secret")
