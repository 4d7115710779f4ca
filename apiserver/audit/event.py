"""One line of the audit log. Pure.

Source: audit.k8s.io/v1 Event; k8s.io/apiserver/pkg/audit/request.go (1.36).
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from api.codec import yaml
from api.codec.json import DecodeError
from apiserver.audit.policy import RECEIVED, STARTED, Decision
from apiserver.http.message import Answer, Request, Response, Upgrade, User

# How annotations begin that hold the patch of a mutating webhook. Written by its admission plugin.
PATCH_NOTE = "patch.webhook.admission.k8s.io/"


def event_of(
    request: Request,
    decision: Decision,
    stage: str,
    identifier: str,
    times: tuple[datetime, datetime],
    outcome: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the event. `times`: of the request's arrival and of this stage; `outcome`: `responseStatus`."""
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": decision.level,
        "auditID": identifier,
        "stage": stage,
        "requestURI": _uri(request),
        "verb": request.info.verb,
        "user": _user(request.audit.get("impersonatingUser") or request.user),
        "sourceIPs": [request.remote] if request.remote else [],
        "userAgent": request.headers.get("user-agent", ""),
    }
    if impersonated := request.audit.get("impersonatedUser"):
        event["impersonatedUser"] = _user(impersonated)
    if request.info.is_resource:
        event["objectRef"] = _object_ref(request)
    if outcome is not None:
        event["responseStatus"] = outcome
    if stage != RECEIVED and decision.wants_request and (sent := _object(request.body, decision)) is not None:
        event["requestObject"] = sent
    event["requestReceivedTimestamp"], event["stageTimestamp"] = _stamp(times[0]), _stamp(times[1])
    if notes := {key: text for key, text in request.audit.items() if "/" in key and _may_tell(key, decision)}:
        event["annotations"] = notes
    return event


def _may_tell(key: str, decision: Decision) -> bool:
    """Say whether an annotation may be written: what a webhook put into the object is part of the request."""
    return decision.wants_request or not key.startswith(PATCH_NOTE)


def with_response(event: dict[str, Any], decision: Decision, answer: Answer | None) -> dict[str, Any]:
    """Return the event with the answer's object, if it is wanted and there is one."""
    if not decision.wants_response or not isinstance(answer, Response) or event["stage"] == STARTED:
        return event
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    sent = _object(body, decision)
    return event if sent is None else {**event, "responseObject": sent}


def code_of(answer: Answer) -> int:
    return 101 if isinstance(answer, Upgrade) else answer.status


def _object(body: bytes, decision: Decision) -> Any:
    """Return the object that a body holds, None if it is neither JSON nor YAML."""
    if not body:
        return None
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = yaml.loads(body)
        except DecodeError:
            return None
    return _bare(found) if decision.omit_managed_fields else found


def _bare(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    bare = dict(found)
    if isinstance(metadata := bare.get("metadata"), dict):
        bare["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    if isinstance(items := bare.get("items"), list):
        bare["items"] = [_bare(item) for item in items]
    return bare


def _uri(request: Request) -> str:
    query = urlencode(request.query, doseq=True)
    return f"{request.path}?{query}" if query else request.path


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
