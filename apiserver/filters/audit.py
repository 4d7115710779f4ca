"""The audit log: one JSON line per finished request, at the metadata level (never a body).

Source: audit.k8s.io/v1 Event; k8s.io/apiserver/pkg/endpoints/filters/audit.go (1.36).
"""

import io
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from api.errors import StatusError
from apiserver.http.message import Answer, Filter, Handler, Request, Upgrade, User
from kit import clock, rand


class AuditLog:
    """Writes lines to a file that is rotated at `max_bytes`, keeping `backups` old ones."""

    def __init__(self, path: Path, max_bytes: int = 100 << 20, backups: int = 5) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._file = self._open()
        self._size = self._file.tell()

    def write(self, event: dict[str, Any]) -> None:
        line = orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
        if self._size + len(line) > self._max_bytes:
            self._rotate()
        self._file.write(line)
        self._size += len(line)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> io.FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a line is in the kernel's hands before the next request, whatever ends this process.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return io.FileIO(descriptor, "a")

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._backups - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._file = self._open()
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def audit(log: AuditLog) -> Filter:
    """Return the filter; it stands before authentication, so that refusals are logged as well."""

    async def run(request: Request, following: Handler) -> Answer:
        received = clock.now()
        identifier = request.headers.get("audit-id") or rand.uid()
        code = 500
        try:
            answer = await following(request)
            code = _code(answer)
            if not isinstance(answer, Upgrade):
                answer.headers["Audit-Id"] = identifier
            return answer
        except StatusError as error:
            code = error.code
            raise
        finally:
            log.write(event_of(request, identifier, code, received, clock.now()))

    return run


def _code(answer: Answer) -> int:
    return 101 if isinstance(answer, Upgrade) else answer.status


def event_of(
    request: Request, identifier: str, code: int, received: datetime, finished: datetime
) -> dict[str, Any]:
    """Return the audit event of one finished request."""
    impersonated = request.audit.get("impersonatedUser")
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": identifier,
        "stage": "ResponseComplete",
        "requestURI": request.path,
        "verb": request.info.verb,
        "user": _user(request.audit.get("impersonatingUser") or request.user),
        "sourceIPs": [request.remote] if request.remote else [],
        "userAgent": request.headers.get("user-agent", ""),
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": _stamp(received),
        "stageTimestamp": _stamp(finished),
    }
    if impersonated is not None:
        event["impersonatedUser"] = _user(impersonated)
    if request.info.is_resource:
        event["objectRef"] = _object_ref(request)
    notes = {key: value for key, value in request.audit.items() if "/" in key}
    if notes:
        event["annotations"] = notes
    return event


def _object_ref(request: Request) -> dict[str, str]:
    info = request.info
    ref = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in ref.items() if value}


def _user(user: User) -> dict[str, Any]:
    shown: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in shown.items() if value}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
