"""Content types: what the client wants to get, and what it sent. Pure; called by the verbs.

Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from api.errors import NotAcceptable, UnsupportedMediaType

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_MEDIA = (JSON, YAML)
_ALL_MEDIA = (JSON, YAML, PROTOBUF)
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
_TABLE_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True)
class Form:
    """How to answer: the media type, and the kind of view of the object ("" for itself)."""

    media: str = JSON
    # "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
    view: str = ""
    version: str = "v1"
    pretty: bool = False

    @property
    def plain(self) -> bool:
        """True if the stored bytes are the answer."""
        return self.media == JSON and not self.view and not self.pretty

    @property
    def content_type(self) -> str:
        return self.media


PLAIN = Form()


@lru_cache(maxsize=512)
def accepted(accept: str, views: tuple[str, ...] = ()) -> Form:
    """Return the best form for an `Accept` header; `views` are those that the endpoint can give.

    Raises `NotAcceptable` when the client takes nothing that is served.
    """
    for media, params in _clauses(accept):
        kind = _media(media)
        if not kind:
            continue
        view = params.get("as", "")
        if not view:
            return Form(kind)
        if view in views and params.get("g") == "meta.k8s.io" and params.get("v") in _TABLE_VERSIONS:
            return Form(kind, view, params["v"])
    raise NotAcceptable(
        "only the following media types are accepted: " + ", ".join(_offers(views)),
    )


def _offers(views: tuple[str, ...]) -> list[str]:
    plain = list(_MEDIA)
    return plain + [f"{media};as={view};v=v1;g=meta.k8s.io" for view in views for media in plain]


def _media(media: str) -> str:
    if media in ("*/*", "application/*", "", JSON):
        return JSON
    return YAML if media in (YAML, "text/yaml", "application/x-yaml") else ""


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Return media ranges with their parameters, best first; parts of equal quality keep their order."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        media, *rest = (piece.strip() for piece in part.split(";"))
        params = dict(_parameter(piece) for piece in rest if piece)
        try:
            quality = float(params.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if quality > 0:
            found.append((quality, media.lower(), params))
    found.sort(key=lambda one: -one[0])
    return [(media, params) for _, media, params in found]


def _parameter(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def body_type(headers: Mapping[str, str], builtin: bool = True) -> str:
    """Return the media type of a create or update body: JSON, YAML, or protobuf for built-in kinds. Raises
    `UnsupportedMediaType`."""
    media = media_type(headers)
    if media == PROTOBUF and builtin:
        return PROTOBUF
    kind = _media(media) if media not in ("*/*", "application/*", PROTOBUF) else ""
    if not kind:
        raise _unsupported(_ALL_MEDIA if builtin else _MEDIA)
    return kind


def patch_type(headers: Mapping[str, str], supported: tuple[str, ...] = PATCHES) -> str:
    """Return the media type of a patch body. Raises `UnsupportedMediaType`."""
    media = media_type(headers)
    if media not in supported:
        raise _unsupported(supported)
    return media


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of the body without parameters, "" if not said."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported(supported: tuple[str, ...]) -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(supported)
    )
