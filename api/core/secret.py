"""Secrets: `stringData` is written, never read; types have keys that must be there.

Spec: pkg/apis/core/v1 SetDefaults_Secret, conversion.go, pkg/apis/core/validation ValidateSecret (1.36).
"""

import base64

from api import field
from api.codec import json
from api.codec.json import DecodeError
from api.core.configmap import MAX_BYTES, decoded_size, immutable_errors, keys_errors
from api.field import FieldError, Path
from api.meta import immutable, validate_metadata, validate_metadata_update
from api.resource import Obj

_DATA = Path("data")
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_SSH_KEY = "ssh-privatekey"
_REQUIRED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": (_SSH_KEY,),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def defaults(obj: Obj) -> Obj:
    """Fill the type, and move `stringData` into `data`."""
    new: Obj = {}
    if not obj.get("type"):
        new["type"] = "Opaque"
    strings = obj.get("stringData")
    if strings:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in strings.items()}
        new["data"] = {**(obj.get("data") or {}), **encoded}
    if strings is None:
        return {**obj, **new} if new else obj
    return {**{key: value for key, value in obj.items() if key != "stringData"}, **new}


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    data, kind = obj.get("data") or {}, obj.get("type", "")
    errors += keys_errors(data, _DATA)
    if sum(decoded_size(text) for text in data.values()) > MAX_BYTES:
        errors.append(field.too_long(_DATA, MAX_BYTES))
    if kind == "kubernetes.io/service-account-token":
        path = Path("metadata").child("annotations").key(_SERVICE_ACCOUNT)
        if not ((obj.get("metadata") or {}).get("annotations") or {}).get(_SERVICE_ACCOUNT):
            errors.append(field.required(path))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        errors += [field.required(_DATA.key("username")), field.required(_DATA.key("password"))]
    for key in _REQUIRED.get(kind, ()):
        if key not in data or (key == _SSH_KEY and not data[key]):
            errors.append(field.required(_DATA.key(key)))
        elif _JSON.get(kind) == key and (fault := _json_fault(data[key])):
            errors.append(field.invalid(_DATA.key(key), "<secret contents redacted>", fault))
    return errors


def _json_fault(encoded: str) -> str:
    """Return what keeps a text from being a JSON object, in Go's words."""
    try:
        found = json.loads_any(base64.b64decode(encoded))
    except DecodeError as error:
        return str(error)
    if isinstance(found, dict) or found is None:
        return ""
    return f"json: cannot unmarshal {json.go_kind(found)} into Go value of type map[string]interface {{}}"


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old) + immutable(new, old, "type", Path())
    if old.get("immutable"):
        errors += immutable_errors(new, old, ("data",))
    return errors + validate(new)
