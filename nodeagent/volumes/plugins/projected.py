"""`projected` volumes: several sources in one directory. PURE.

Source: pkg/volume/projected collectData (1.36).
A later source wins over an earlier one at the same path.
"""

from collections.abc import Iterator

from api.resource import Obj
from nodeagent.volumes.atomic import FileContent
from nodeagent.volumes.plugin import Files, TokenSpec, View, VolumeError, default_mode
from nodeagent.volumes.plugins import configmap, downward_api, secret

# Defaults of the API: an hour.
_EXPIRATION_S = 3600


def layout(volume: Obj, view: View) -> Files:
    source = volume["projected"]
    mode = default_mode(source)
    files: dict[str, FileContent] = {}
    for part in source.get("sources") or ():
        files |= _files_of(part, view, mode)
    return Files(files, memory=True)


def _files_of(part: Obj, view: View, mode: int) -> dict[str, FileContent]:
    if found := part.get("configMap"):
        return configmap.files_of(found, view, mode)
    if found := part.get("secret"):
        return secret.files_of(found, found.get("name", ""), view, mode)
    if found := part.get("downwardAPI"):
        return downward_api.files_of(found, view, mode)
    if found := part.get("serviceAccountToken"):
        return _token(found, view, mode)
    raise VolumeError(f"projected source {', '.join(sorted(part)) or 'without a kind'} is not supported")


def token_specs(volume: Obj) -> Iterator[TokenSpec]:
    """Yield the tokens that the layout of this volume needs in its view."""
    for part in (volume.get("projected") or {}).get("sources") or ():
        if found := part.get("serviceAccountToken"):
            yield _spec(found)


def _spec(source: Obj) -> TokenSpec:
    return TokenSpec(source.get("audience") or "", int(source.get("expirationSeconds") or _EXPIRATION_S))


def _token(source: Obj, view: View, mode: int) -> dict[str, FileContent]:
    uid = common_user(view.pod)
    group = (view.pod["spec"].get("securityContext") or {}).get("fsGroup")
    if uid is not None or group is not None:
        mode = 0o600
    return {source["path"]: FileContent(view.tokens[_spec(source)].encode(), mode, uid)}


def common_user(pod: Obj) -> int | None:
    """Return the user that all containers run as, if the spec says one: it shall own the pod's tokens."""
    spec = pod["spec"]
    default = (spec.get("securityContext") or {}).get("runAsUser")
    users = {
        (container.get("securityContext") or {}).get("runAsUser", default)
        for key in ("containers", "initContainers", "ephemeralContainers")
        for container in spec.get(key) or ()
    }
    only = users.pop() if len(users) == 1 else None
    return None if only is None else int(only)
