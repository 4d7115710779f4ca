"""Where an object lives in the store: `/registry/<group>/<resource>/<namespace>/<name>`, without I/O.

The core group is written `core`; a cluster-scoped object has no namespace part. Versions are no part of a
key: all versions of a kind are one object. The API server's registry and watch caches call this.
"""

from typing import Any

from api.resource import Key, Resource

ROOT = "/registry/"


def prefix_of(resource: Resource[Any], namespace: str = "") -> str:
    """Return what the keys of the resource (in one namespace, if given) start with; it ends in a slash."""
    prefix = prefix_at(resource.group, resource.plural)
    return f"{prefix}{namespace}/" if namespace else prefix


def prefix_at(group: str, plural: str) -> str:
    """Return what the keys of all objects of a group's resource start with."""
    return f"{ROOT}{group or 'core'}/{plural}/"


def key_for(resource: Resource[Any], namespace: str, name: str) -> str:
    """Return the key of one object; `namespace` is "" for a cluster-scoped one."""
    return prefix_of(resource, namespace) + name


def parse_key(resource: Resource[Any], key: str) -> Key:
    """Return namespace and name of the object at `key`. Raises `ValueError` if it is not one of the
    resource.
    """
    prefix = prefix_of(resource)
    parts = key.removeprefix(prefix).split("/")
    if not key.startswith(prefix) or len(parts) != (2 if resource.namespaced else 1) or not all(parts):
        raise ValueError(f"{key!r} is not a key of {resource.group_resource}")
    return Key(parts[0], parts[1]) if resource.namespaced else Key("", parts[0])
