"""CertificateSigningRequests under REST: the requester is written down by the server; `/status` writes the
certificate, `/approval` the conditions.

Source: pkg/registry/certificates/certificates/strategy.go (1.36).
"""

from api.codec.shapes import equal
from api.conditions import find
from api.resource import Obj
from apiserver.http.message import User
from apiserver.rest.strategy import Strategy, with_part

_DECISIONS = ("Approved", "Denied")
_REQUESTER = ("username", "uid", "groups", "extra")


class CertificateSigningRequestStrategy(Strategy):
    selectable = ("spec.signerName",)
    counts_generation = False

    def attributed(self, obj: Obj, user: User) -> Obj:
        """Return the request with its requester: what signers go by, so no client may choose it."""
        spec = {name: value for name, value in (obj.get("spec") or {}).items() if name not in _REQUESTER}
        extra = {key: list(values) for key, values in user.extra.items()}
        about = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
        return {**obj, "spec": {**spec, **{name: value for name, value in about.items() if value}}}

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return with_part(super().prepare_for_update(new, old), "spec", old)

    def prepare_for_other(self, subresource: str, new: Obj, old: Obj) -> Obj:
        """`/approval` changes conditions alone; the certificate belongs to the signer."""
        given = (new.get("status") or {}).get("conditions") or []
        status = {key: value for key, value in (old.get("status") or {}).items() if key != "conditions"}
        if given:
            status["conditions"] = given
        return {**with_part(new, "spec", old), "status": status}

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        result = super().prepare_for_status(new, old)
        status = dict(result.get("status") or {})
        conditions = decided(status.get("conditions") or [], _conditions(old))
        if conditions:
            status["conditions"] = conditions
        return {**result, "status": status}


def _conditions(obj: Obj) -> list[Obj]:
    return (obj.get("status") or {}).get("conditions") or []


def decided(new: list[Obj], old: list[Obj]) -> list[Obj]:
    """Return the conditions with the decisions among them as they were: `/status` changes none."""
    left = {kind: [item for item in old if item.get("type") == kind] for kind in _DECISIONS}
    made = []
    for condition in new:
        known = left.get(condition.get("type", ""))
        made.append(known.pop(0) if known else condition)
    return made


def with_condition_times(new: Obj, old: Obj, now: str) -> Obj:
    """Return the request with the times of its conditions that the client left out.

    The last transition is that of the old condition, if its status is the same.
    """
    conditions = timed(_conditions(new), _conditions(old), now)
    return {**new, "status": {**new["status"], "conditions": conditions}} if conditions else new


def timed(new: list[Obj], old: list[Obj], now: str) -> list[Obj]:
    """Return conditions with their times."""
    made = []
    for condition in new:
        known = find(old, condition.get("type", ""))
        if known is not None and equal(known, condition):
            made.append(condition)
            continue
        same = known is not None and known.get("status") == condition.get("status")
        since = (known or {}).get("lastTransitionTime") if same else None
        moment = condition.get("lastTransitionTime") or since or now
        updated = condition.get("lastUpdateTime") or now
        made.append({**condition, "lastUpdateTime": updated, "lastTransitionTime": moment})
    return made
