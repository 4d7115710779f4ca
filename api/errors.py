"""The errors of the API: raised by handlers, sent as `Status`, raised again by `client`.

    StatusError
      BadRequest 400            Unauthorized 401          Forbidden 403            NotFound 404
      MethodNotAllowed 405      NotAcceptable 406         AlreadyExists 409        Conflict 409
      Gone 410                  Expired 410 (Gone)        RequestEntityTooLarge 413
      UnsupportedMediaType 415  Invalid 422               TooManyRequests 429
      InternalError 500         ServiceUnavailable 503    Timeout 504

Messages and reasons are upstream's. Source: k8s.io/apimachinery/pkg/api/errors (1.36).
"""

from collections.abc import Sequence
from typing import Any

from api.field import FieldError
from api.resource import Resource


class StatusError(Exception):
    """An answer other than success. `details` is `Status.details` without empty members."""

    # Of the class, but for what a webhook says: it may choose any.
    code: int = 500
    reason: str = ""

    def __init__(self, message: str, details: dict[str, Any] | None = None, continue_token: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}
        self.continue_token = continue_token
        # Headers of the answer that tells this error, besides the usual ones.
        self.headers: dict[str, str] = {}

    @property
    def retry_after_s(self) -> int:
        return int(self.details.get("retryAfterSeconds", 0))

    def to_status(self) -> dict[str, Any]:
        """Return the `v1.Status` object that says this error."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        return {key: value for key, value in status.items() if value or key in ("metadata", "code")}


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized", details: dict[str, Any] | None = None) -> None:
        super().__init__(message, details)


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class Gone(StatusError):
    code, reason = 410, "Gone"


class Expired(Gone):
    reason = "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    code, reason = 422, "Invalid"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


def not_found(resource: Resource[Any], name: str) -> NotFound:
    """`pods "x" not found`."""
    return NotFound(f'{resource.group_resource} "{name}" not found', object_details(resource, name))


def already_exists(resource: Resource[Any], name: str) -> AlreadyExists:
    """`pods "x" already exists`."""
    return AlreadyExists(f'{resource.group_resource} "{name}" already exists', object_details(resource, name))


def conflict(resource: Resource[Any], name: str, why: str) -> Conflict:
    """`Operation cannot be fulfilled on pods "x": ...`."""
    message = f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}'
    return Conflict(message, object_details(resource, name))


def stale(resource: Resource[Any], name: str) -> Conflict:
    """The conflict of a write with an old `resourceVersion`."""
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def forbidden(resource: Resource[Any], name: str, why: str) -> Forbidden:
    """`pods "x" is forbidden: ...`; without a name, `pods is forbidden: ...`."""
    subject = f'{resource.group_resource} "{name}"' if name else resource.group_resource
    return Forbidden(f"{subject} is forbidden: {why}", object_details(resource, name))


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Invalid:
    """`Pod "x" is invalid: spec.a: Required value`; several errors are listed in brackets."""
    qualified = f"{kind}.{group}" if group else kind
    texts = list(dict.fromkeys(str(error) for error in errors))
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    details["causes"] = [error.to_cause() for error in errors]
    return Invalid(
        f'{qualified} "{name}" is invalid: {text}', {key: value for key, value in details.items() if value}
    )


def object_details(resource: Resource[Any], name: str) -> dict[str, Any]:
    """Return `Status.details` that name an object; `kind` holds the plural, as upstream has it."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def from_status(code: int, status: dict[str, Any]) -> StatusError:
    """Return the error that a `Status` (or any JSON body of an answer with `code`) says, as its class."""
    reason = str(status.get("reason", ""))
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, InternalError)
    message = str(status.get("message") or f"the server answered {code}")
    token = str(status.get("metadata", {}).get("continue", ""))
    error = kind(message, status.get("details") or {})
    error.continue_token = token
    return error


_ALL: tuple[type[StatusError], ...] = (
    BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists, Conflict,
    Gone, Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError,
    ServiceUnavailable, Timeout,
)  # fmt: skip
_BY_REASON = {kind.reason: kind for kind in _ALL}
_BY_CODE = {kind.code: kind for kind in reversed(_ALL)} | {409: Conflict, 410: Gone}
