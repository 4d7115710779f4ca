"""PriorityLevelConfigurations. Spec: pkg/apis/flowcontrol/v1/defaults.go, validation (1.36)."""

from functools import cache

from api import field
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.flowcontrol.bootstrap import MANDATORY, priority_levels
from api.flowcontrol.conditions import validate_conditions
from api.flowcontrol.sharding import HASH_BITS, entropy_bits
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_QUEUES_MAX = 10_000_000
_NOT_NEGATIVE = "must be a non-negative integer"
_PERCENT = "must be between 0 and 100, inclusive"

_queuing = defaulting(empty={"queues": 64, "handSize": 8, "queueLengthLimit": 50})
_limited = defaulting(
    absent={"nominalConcurrencyShares": 30, "lendablePercent": 0},
    nested={"limitResponse": defaulting(nested={"queuing": _queuing})},
)
_exempt = defaulting(absent={"nominalConcurrencyShares": 0, "lendablePercent": 0})


def _with_exempt(spec: Obj) -> Obj:
    """Upstream gives an exempt level its shares even if the client said nothing of them."""
    return {"exempt": _exempt({})} if spec.get("type") == "Exempt" and spec.get("exempt") is None else {}


defaults = defaulting(
    nested={"spec": defaulting(nested={"limited": _limited, "exempt": _exempt}, rule=_with_exempt)}
)


def validate(obj: Obj) -> list[FieldError]:
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name", "")
    errors = validate_metadata(obj, namespaced=False) + _spec_errors(spec, name)
    return errors + _mandatory_errors(spec, name) + validate_conditions(obj)


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)


def validate_status(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate_conditions(new)


@cache
def _mandatory() -> dict[str, Obj]:
    return {obj["metadata"]["name"]: obj["spec"] for obj in priority_levels()}


def _mandatory_errors(spec: Obj, name: str) -> list[FieldError]:
    if name not in MANDATORY:
        return []
    wanted, but = _mandatory()[name], ""
    if name == "exempt":
        # An administrator may say how many seats the exempt level lends to others.
        wanted, but = {**wanted, "exempt": spec.get("exempt")}, " except the 'spec.exempt' field"
        spec = {**spec, "exempt": spec.get("exempt")}
    if spec == wanted:
        return []
    return [field.invalid(_SPEC, spec, f"spec of '{name}'{but} must equal the fixed value")]


def _spec_errors(spec: Obj, name: str) -> list[FieldError]:
    kind, errors = spec.get("type", ""), []
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        text = "type must be 'Exempt' if and only if name is 'exempt'"
        errors.append(field.invalid(_SPEC.child("type"), kind, text))
    if kind == "Exempt":
        if limited is not None:
            errors.append(field.forbidden(_SPEC.child("limited"), "must be nil if the type is not Limited"))
        return errors + (_lending_errors(exempt, _SPEC.child("exempt")) if exempt is not None else [])
    if kind != "Limited":
        return [*errors, field.not_supported(_SPEC.child("type"), kind, ("Exempt", "Limited"))]
    if exempt is not None:
        errors.append(field.forbidden(_SPEC.child("exempt"), "must be nil if the type is Limited"))
    if limited is None:
        errors.append(field.required(_SPEC.child("limited"), "must not be empty when type is Limited"))
        return errors
    return errors + _limited_errors(limited, _SPEC.child("limited"))


def _lending_errors(part: Obj, at: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    shares, percent = part.get("nominalConcurrencyShares", 0), part.get("lendablePercent", 0)
    if shares < 0:
        errors.append(field.invalid(at.child("nominalConcurrencyShares"), shares, _NOT_NEGATIVE))
    if not 0 <= percent <= 100:
        errors.append(field.invalid(at.child("lendablePercent"), percent, _PERCENT))
    return errors


def _limited_errors(limited: Obj, at: Path) -> list[FieldError]:
    errors = _lending_errors(limited, at)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        text = f"if specified, {_NOT_NEGATIVE}"
        errors.append(field.invalid(at.child("borrowingLimitPercent"), borrowing, text))
    return errors + _response_errors(limited.get("limitResponse") or {}, at.child("limitResponse"))


def _response_errors(response: Obj, at: Path) -> list[FieldError]:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        text = "must be nil if limited.limitResponse.type is not Limited"
        return [field.forbidden(at.child("queuing"), text)] if queuing is not None else []
    if kind != "Queue":
        return [field.not_supported(at.child("type"), kind, ("Queue", "Reject"))]
    if queuing is None:
        text = "must not be empty if limited.limitResponse.type is Limited"
        return [field.required(at.child("queuing"), text)]
    return _queuing_errors(queuing, at.child("queuing"))


def _queuing_errors(queuing: Obj, at: Path) -> list[FieldError]:
    length, queues, hand = (queuing.get(name, 0) for name in ("queueLengthLimit", "queues", "handSize"))
    errors: list[FieldError] = []
    if length <= 0:
        errors.append(field.invalid(at.child("queueLengthLimit"), length, "must be positive"))
    if queues <= 0:
        errors.append(field.invalid(at.child("queues"), queues, "must be positive"))
    elif queues > _QUEUES_MAX:
        errors.append(field.invalid(at.child("queues"), queues, f"must not be greater than {_QUEUES_MAX}"))
    text = _hand_fault(queues, hand)
    return [*errors, field.invalid(at.child("handSize"), hand, text)] if text else errors


def _hand_fault(queues: int, hand: int) -> str:
    if hand <= 0:
        return "must be positive"
    if hand > queues:
        return f"should not be greater than queues ({queues})"
    if entropy_bits(queues, hand) > HASH_BITS:
        return (
            f"required entropy bits of deckSize {queues} and handSize {hand} "
            f"should not be greater than {HASH_BITS}"
        )
    return ""
