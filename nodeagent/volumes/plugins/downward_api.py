"""`downwardAPI` volumes. PURE. Source: pkg/volume/downwardapi CollectData (1.36)."""

from api.resource import Obj
from nodeagent.pod.downward import DownwardError, field_value, resource_value
from nodeagent.volumes.atomic import FileContent
from nodeagent.volumes.plugin import Files, View, VolumeError, default_mode


def layout(volume: Obj, view: View) -> Files:
    source = volume["downwardAPI"]
    return Files(files_of(source, view, default_mode(source)), memory=True)


def files_of(source: Obj, view: View, mode: int) -> dict[str, FileContent]:
    """Return the files of one source; also a part of projected volumes. Raises `VolumeError`."""
    files: dict[str, FileContent] = {}
    for item in source.get("items") or ():
        chosen = mode if item.get("mode") is None else int(item["mode"])
        files[item["path"]] = FileContent(_text(item, view).encode(), chosen)
    return files


def _text(item: Obj, view: View) -> str:
    try:
        if ref := item.get("fieldRef"):
            return field_value(view.pod, ref["fieldPath"], view.facts)
        return resource_value(view.pod, item.get("resourceFieldRef") or {}, None, view.facts)
    except DownwardError as error:
        raise VolumeError(str(error)) from error
