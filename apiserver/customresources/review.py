"""ConversionReview: the question to a conversion webhook, and what its answer must be. Pure.

Source: apiextensions-apiserver pkg/apiserver/conversion webhook_converter.go (1.36).
"""

from collections.abc import Sequence
from typing import Any

from api.resource import Obj

_SUPPORTED = ("v1", "v1beta1")


class ReviewError(ValueError):
    """An answer that cannot be used; the text says why in upstream's words."""


def version_of(offered: Sequence[str]) -> str:
    """Return the version in which to ask: the first of those that the webhook takes that there is."""
    for version in offered:
        if version in _SUPPORTED:
            return version
    raise ReviewError("no supported conversion review versions")


def request(version: str, uid: str, wanted: str, objects: Sequence[Obj]) -> Obj:
    """Return the question: these objects in the apiVersion `wanted`."""
    return {
        "kind": "ConversionReview",
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": list(objects)},
    }


def converted(version: str, uid: str, answer: Obj) -> list[Any]:
    """Return the objects of an answer. Raises `ReviewError` if it is none, or tells of a failure."""
    response = answer.get("response")
    if version == "v1":
        wanted = f"apiextensions.k8s.io/{version}"
        if (answer.get("kind"), answer.get("apiVersion")) != ("ConversionReview", wanted):
            raise ReviewError(
                f"expected webhook response of {wanted}, Kind=ConversionReview, "
                f"got {answer.get('apiVersion') or '/'}, Kind={answer.get('kind') or ''}"
            )
    if not isinstance(response, dict):
        raise ReviewError("no response provided")
    if version == "v1" and response.get("uid") != uid:
        raise ReviewError(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        told = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise ReviewError(result.get("message") or told)
    return list(response.get("convertedObjects") or ())


def accepted(before: Obj, after: Any, wanted: str) -> Obj:
    """Return a converted object with the metadata that conversion cannot change. Raises `ReviewError`."""
    if not isinstance(after, dict):
        raise ReviewError("invalid type, expected an object")
    for name, expected in (("groupVersion", wanted), ("kind", before["kind"])):
        got = after.get("apiVersion" if name == "groupVersion" else name) or ""
        if got != expected:
            raise ReviewError(f"invalid {name} (expected {expected}, received {got})")
    given, kept = after.get("metadata"), before["metadata"]
    if not isinstance(given, dict):
        raise ReviewError("missing metadata in converted object")
    for name in ("name", "namespace", "uid"):
        if (given.get(name) or "") != (kept.get(name) or ""):
            shown = "UID" if name == "uid" else name
            raise ReviewError(f"must have the same {shown}: {kept.get(name, '')} != {given.get(name, '')}")
    metadata = {key: value for key, value in kept.items() if key not in ("labels", "annotations")}
    for name in ("labels", "annotations"):
        if given.get(name):
            metadata[name] = _texts(name, given[name])
    return {**after, "metadata": metadata}


def _texts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ReviewError(f"metadata.{name}: expected a map of strings")
    return value
