"""Builds OCI image archives without a container engine: files in, one tar out that `ctr images import` takes.

Archives are reproducible: same files, same bytes. Source: OCI image-spec 1.1 (image-layout, config,
manifest).
"""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class File:
    """A regular file of the image; `link` instead of `data` makes a symbolic link, neither makes a
    directory.
    """

    path: str
    data: bytes | None = None
    mode: int = 0o755
    link: str = ""


@dataclass(frozen=True)
class Image:
    """One image under one or more full references (`docker.io/library/busybox:latest`)."""

    references: tuple[str, ...]
    files: tuple[File, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


def build_archive(images: Sequence[Image]) -> bytes:
    """Return an OCI layout tar that holds all `images`; equal layers are stored once."""
    blobs: dict[str, bytes] = {}
    manifests: list[dict[str, Any]] = []
    for image in images:
        descriptor = _add_image(image, blobs)
        for reference in image.references:
            names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
            manifests.append({**descriptor, "annotations": names})
    index = {"schemaVersion": 2, "manifests": manifests}
    entries = [File("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), File("index.json", orjson.dumps(index))]
    entries += [File(f"blobs/sha256/{digest}", data) for digest, data in blobs.items()]
    return _tar(entries)


def _add_image(image: Image, blobs: dict[str, bytes]) -> dict[str, Any]:
    layer = _tar(image.files)
    layer_descriptor = _add_blob(layer, _LAYER, blobs)
    config = {
        "architecture": image.architecture,
        "os": "linux",
        "config": {
            "Env": [f"{name}={value}" for name, value in image.env.items()],
            "Entrypoint": list(image.entrypoint),
            "Cmd": list(image.command),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _add_blob(orjson.dumps(config), _CONFIG, blobs),
        "layers": [layer_descriptor],
    }
    descriptor = _add_blob(orjson.dumps(manifest), _MANIFEST, blobs)
    return {**descriptor, "platform": {"architecture": image.architecture, "os": "linux"}}


def _add_blob(data: bytes, media_type: str, blobs: dict[str, bytes]) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _tar(files: Sequence[File]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.mode = file.mode
            if file.link:
                info.type, info.linkname = tarfile.SYMTYPE, file.link
            elif file.data is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(file.data)
            archive.addfile(info, io.BytesIO(file.data) if file.data is not None else None)
    return out.getvalue()
