"""CertificateSigningRequests under REST: `/status` writes the certificate, `/approval` the conditions.

Source: pkg/registry/certificates/certificates/strategy.go (1.36).
"""

from api.resource import Obj
from apiserver.rest.strategy import Strategy, with_part

_DECISIONS = ("Approved", "Denied")


class CertificateSigningRequestStrategy(Strategy):
    selectable = ("spec.signerName",)
    counts_generation = False

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        return with_part(super().prepare_for_update(new, old), "spec", old)

    def prepare_for_other(self, subresource: str, new: Obj, old: Obj) -> Obj:
        """`/approval` changes conditions alone; the certificate belongs to the signer."""
        given = (new.get("status") or {}).get("conditions")
        status = {key: value for key, value in (old.get("status") or {}).items() if key != "conditions"}
        if given:
            status["conditions"] = given
        return {**with_part(new, "spec", old), "status": status}

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        result = super().prepare_for_status(new, old)
        status = dict(result.get("status") or {})
        conditions = _merged(
            status.get("conditions") or [], (old.get("status") or {}).get("conditions") or []
        )
        if conditions:
            status["conditions"] = conditions
        return {**result, "status": status}


def _merged(new: list[Obj], old: list[Obj]) -> list[Obj]:
    """Return the conditions with the decisions as they were: `/status` may not approve or deny."""
    others = [condition for condition in new if condition.get("type") not in _DECISIONS]
    return [*(condition for condition in old if condition.get("type") in _DECISIONS), *others]
