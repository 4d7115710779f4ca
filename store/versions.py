"""resourceVersion and continue tokens as clients see them, and the revisions that they stand for. No I/O.

A continue token says at which revision a list began and after which key it goes on; it is upstream's
`meta.k8s.io/v1` encoding, so a token is as opaque, and as readable to debuggers, as there. Called by the API
server's list and watch.
"""

import base64
import binascii
import json
import posixpath
from dataclasses import dataclass

ENCODING = "meta.k8s.io/v1"
# In a token instead of a revision: go on at whatever the present revision is (the list is no longer one
# snapshot).
ANY_REVISION = -1
MAX_UINT64 = 2**64 - 1


class InvalidResourceVersion(ValueError):
    """A resourceVersion that is no number; the text is upstream's `InvalidError`."""


class InvalidContinue(ValueError):
    """A continue token that cannot be read; upstream answers 400 `invalid continue token: <text>`."""


def parse_resource_version(text: str) -> int:
    """Return the revision; "" and "0" give 0. Raises `InvalidResourceVersion`.

    Spec: k8s.io/apiserver/pkg/storage APIObjectVersioner.ParseResourceVersion (1.36).
    """
    if text in ("", "0"):
        return 0
    if not (text.isascii() and text.isdigit()):
        raise InvalidResourceVersion(_invalid(text, "invalid syntax"))
    if (revision := int(text)) > MAX_UINT64:
        raise InvalidResourceVersion(_invalid(text, "value out of range"))
    return revision


def _invalid(text: str, why: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return f"resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: {why}"


def format_resource_version(revision: int) -> str:
    return str(revision)


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a list goes on: at `revision` (or `ANY_REVISION`), after the key `after`."""

    after: str
    revision: int


def encode_continue(after: str, prefix: str, revision: int) -> str:
    """Return the token for a list of `prefix` that goes on after key `after`. Raises `ValueError` on a
    foreign key.

    Spec: k8s.io/apiserver/pkg/storage EncodeContinue (1.36); the start key is the key's successor, as
    upstream's.
    """
    if not after.startswith(prefix):
        raise ValueError(f"unable to encode next field: the key and key prefix do not match {prefix} {after}")
    token = {"v": ENCODING, "rv": revision, "start": after.removeprefix(prefix) + "\0"}
    raw = json.dumps(token, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_continue(token: str, prefix: str) -> Continue:
    """Return where the list of `prefix` goes on. A token can never lead outside `prefix`. Raises
    `InvalidContinue`.

    Spec: k8s.io/apiserver/pkg/storage DecodeContinue (1.36).
    """
    fields = _unpack(token)
    if (version := fields.get("v", "")) != ENCODING:
        raise InvalidContinue(
            f"continue key is not valid: server does not recognize this encoded version {version}"
        )
    revision, start = fields.get("rv", 0), fields.get("start", "")
    if not isinstance(revision, int) or not isinstance(start, str):
        raise InvalidContinue("continue key is not valid: fields of the wrong type")
    if revision == 0:
        raise InvalidContinue(
            f"continue key is not valid: incorrect encoded start resourceVersion (version {ENCODING})"
        )
    if not start:
        raise InvalidContinue(f"continue key is not valid: encoded start key empty (version {ENCODING})")
    rooted = start if start.startswith("/") else "/" + start
    if _clean(rooted) != rooted or not start.endswith("\0"):
        raise InvalidContinue(f"continue key is not valid: {start}")
    return Continue(prefix + rooted[1:-1], revision)


def _clean(path: str) -> str:
    # Two leading slashes mean something to POSIX, but not to the server.
    return "/" + posixpath.normpath(path).lstrip("/")


def _unpack(token: str) -> dict[str, object]:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        fields = json.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise InvalidContinue(f"continue key is not valid: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidContinue("continue key is not valid: not an object")
    return fields
