"""AdmissionReview: what a webhook is asked, and what its answer says. Pure.

Called by `dispatch.py`. Spec: k8s.io/api/admission/{v1,v1beta1}, k8s.io/apiserver/pkg/admission/plugin/
webhook/{request,errors} (1.36).
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.errors import StatusError, from_status
from api.names import is_qualified_name
from api.resource import Obj, Resource
from apiserver.admission.matching import namespace_of
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import user_info

GROUP = "admission.k8s.io"


class BadAnswer(Exception):
    """An answer that is none; the text says what is wrong with it."""


@dataclass(frozen=True)
class Verdict:
    """What an answer says. `status` is a `Status` as given; `patch` holds the operations of a JSON patch."""

    allowed: bool
    status: Obj = field(default_factory=dict)
    patch: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def request_of(asked: AdmissionRequest, seen: AdmissionRequest | None = None) -> Obj:
    """Return `AdmissionReview.request` but for its uid; also the variable `request` of expressions.

    `seen` is the request as it looks in the version of the rules, if that is another one.
    """
    seen = seen or asked
    kind, resource = _kind(asked), _resource(asked.resource)
    return {
        "kind": _kind(seen),
        "resource": _resource(seen.resource),
        **({"subResource": asked.subresource} if asked.subresource else {}),
        "requestKind": kind,
        "requestResource": resource,
        **({"requestSubResource": asked.subresource} if asked.subresource else {}),
        **({"name": asked.name} if asked.name else {}),
        **({"namespace": namespace_of(asked)} if namespace_of(asked) else {}),
        "operation": asked.operation,
        "userInfo": user_info(asked.user),
        "object": seen.object,
        "oldObject": seen.old,
        "dryRun": asked.dry_run,
        "options": asked.options or None,
    }


def review_of(asked: AdmissionRequest, seen: AdmissionRequest, uid: str, version: str) -> Obj:
    """Return the AdmissionReview to send. `seen` is the request `asked` in the version of the webhook's
    rules."""
    return {
        "kind": "AdmissionReview",
        "apiVersion": f"{GROUP}/{version}",
        "request": {"uid": uid, **request_of(asked, seen)},
    }


def _kind(asked: AdmissionRequest) -> Obj:
    """Return the kind of the object: a subresource may speak another one than its resource."""
    obj = asked.object if asked.object is not None else asked.old
    version, kind = (obj or {}).get("apiVersion"), (obj or {}).get("kind")
    if not version or not kind:
        version, kind = asked.resource.group_version, asked.resource.kind
    group, _, short = str(version).rpartition("/")
    return {"group": group, "version": short, "kind": kind}


def _resource(resource: Resource[Any]) -> Obj:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def verdict_of(answer: Obj, uid: str, version: str, mutating: bool) -> Verdict:
    """Return what the answer to a review says. Raises `BadAnswer` in upstream's words."""
    response = answer.get("response")
    if not isinstance(response, dict):
        raise _invalid("webhook response was absent")
    if version == "v1":
        _check(answer, response, uid, mutating)
    return Verdict(
        allowed=response.get("allowed") is True,
        status=_member(response, "status", dict),
        patch=_patch(response, mutating),
        warnings=tuple(text for text in _member(response, "warnings", list) if isinstance(text, str)),
        annotations={
            key: value
            for key, value in _member(response, "auditAnnotations", dict).items()
            if isinstance(value, str)
        },
    )


def _check(answer: Obj, response: Obj, uid: str, mutating: bool) -> None:
    if response.get("uid", "") != uid:
        raise _invalid(f"expected response.uid={_quote(uid)}, got {_quote(response.get('uid', ''))}")
    if (answer.get("apiVersion"), answer.get("kind")) != (f"{GROUP}/v1", "AdmissionReview"):
        found = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
        raise _invalid(f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {found}")
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not mutating:
        if patch:
            raise _invalid("validating webhook may not return response.patch")
        if patch_type is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif patch and patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif not patch and patch_type is not None:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif patch and patch_type != "JSONPatch":
        if not patch_type:
            raise _invalid(f"webhook returned invalid response.patchType of {_quote(patch_type)}")
        raise _invalid(f"unsupported patch type {_quote(patch_type)}")


def _patch(response: Obj, mutating: bool) -> tuple[Any, ...]:
    text = response.get("patch")
    if not mutating or not text:
        return ()
    try:
        operations = orjson.loads(b64decode(text, validate=True))
    except (ValueError, TypeError) as error:
        raise BadAnswer(f"received undecodable patch in webhook response: {error}") from error
    if operations is not None and not isinstance(operations, list):
        raise BadAnswer(
            "received undecodable patch in webhook response: json: cannot unmarshal object into Go value of "
            "type jsonpatch.Patch"
        )
    return tuple(operations or ())


def _invalid(why: str) -> BadAnswer:
    return BadAnswer(f"received invalid webhook response: {why}")


def _member(response: Obj, name: str, kind: type) -> Any:
    value = response.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise _invalid(f"json: cannot unmarshal into Go struct field AdmissionResponse.response.{name}")
    return value


def denial(name: str, status: Obj) -> StatusError:
    """Return the error that tells a client of a denial: code, reason and details as the webhook gave them.

    Spec: k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go ToStatusErr (1.36).
    """
    code = status.get("code")
    code = code if isinstance(code, int) and 400 <= code <= 599 else 400
    reason, said = str(status.get("reason") or ""), str(status.get("message") or "")
    denied = f"admission webhook {_quote(name)} denied the request"
    details = status.get("details")
    message = f"{denied}: {said or reason}" if said or reason else f"{denied} without explanation"
    error = from_status(code, {"message": message, "details": details if isinstance(details, dict) else {}})
    error.code, error.reason = code, reason
    return error


def annotations_of(name: str, verdict: Verdict) -> dict[str, str]:
    """Return what a webhook wants noted in the audit log: keys are its name and a name of its choice."""
    made = {f"{name}/{key}": value for key, value in verdict.annotations.items()}
    return {key: value for key, value in made.items() if not is_qualified_name(key)}


def _quote(value: object) -> str:
    return orjson.dumps(value).decode()
