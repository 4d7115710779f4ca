"""How an object lies in bytes: in the store, in the cache and on the wire. Called by the REST layer and the
watch cache.

    store:  {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1", ... },"spec": ...}
    wire:   {"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"web-1", ... },"spec":
    ...}

The store's value never holds a resource version, since that is the store's revision. What precedes the
insertion point is the same
for all objects of a resource (`head`), so that serving costs one concatenation and no decoding.
"""

from typing import Any

import orjson

from api.resource import Obj, Resource

_VERSION = b'"resourceVersion":"'


class Layout:
    """The byte layout of one resource."""

    __slots__ = ("api_version", "head", "kind")

    def __init__(self, resource: Resource[Any]) -> None:
        self.kind = resource.kind
        self.api_version = resource.group_version
        kind, version = orjson.dumps(self.kind), orjson.dumps(self.api_version)
        self.head = b'{"kind":' + kind + b',"apiVersion":' + version + b',"metadata":{'

    def encode(self, obj: Obj) -> bytes:
        """Return the store's value of an object. Raises `TypeError` for what JSON cannot hold."""
        metadata = obj["metadata"]
        if "resourceVersion" in metadata:
            metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
        ordered = {"kind": self.kind, "apiVersion": self.api_version, "metadata": metadata}
        ordered.update((key, value) for key, value in obj.items() if key not in ordered)
        return orjson.dumps(ordered)

    def serve(self, value: bytes, revision: int) -> bytes:
        """Return the wire form of a store value at `revision`. Raises `ValueError` for what is no object."""
        head = self.head
        if not value.startswith(head):
            obj = orjson.loads(value)
            if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
                raise ValueError("not an object with metadata")
            value = self.encode(obj)
        return b"".join((head, b'"resourceVersion":"%d",' % revision, memoryview(value)[len(head) :]))

    def at(self, data: bytes, revision: int) -> bytes:
        """Return wire bytes with another resource version."""
        start = len(self.head)
        end = data.index(b",", start) + 1
        return b"".join((self.head, b'"resourceVersion":"%d",' % revision, memoryview(data)[end:]))

    def value(self, data: bytes) -> bytes:
        """Return the store's value of wire bytes."""
        start = len(self.head)
        return data[:start] + data[data.index(b",", start) + 1 :]


def decode(data: bytes) -> Obj:
    """Return the object of wire bytes."""
    obj: Obj = orjson.loads(data)
    return obj
