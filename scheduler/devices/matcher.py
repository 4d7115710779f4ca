"""Which kinds of devices a request may have: the selectors of its class, then its own. Answers are kept by
expression and kind, for as long as the kinds live. Called by the search.
"""

from collections.abc import Mapping
from typing import Any

from api.dra.claims import tolerates
from api.dra.matching import SelectorError, bindings_of, satisfies
from scheduler.devices.requests import Wish
from scheduler.devices.slices import Device, Kind


class Fault(Exception):
    """A selector that fails: the pod cannot be placed until it, or the device, is another.

    `claim` is the number of the claim whose selector it is; None: it is a class's, and `text` says which.
    """

    def __init__(self, claim: int | None, text: str) -> None:
        super().__init__(text)
        self.claim = claim
        self.text = text


class Matcher:
    def __init__(self) -> None:
        self._bindings: dict[int, Mapping[str, Any]] = {}
        self._answers: dict[tuple[str, int], bool | str] = {}

    def selects(self, wish: Wish, claim: int, device: Device) -> bool:
        """Say whether the selectors of class and request let a request have a device. Raises Fault."""
        for number, expression in enumerate(wish.class_selectors):
            match self._answer(expression, device.kind):
                case str() as error:
                    where = _where(number, device, error)
                    raise Fault(None, f"class {wish.class_name}: {where}: {error}")
                case False:
                    return False
        for number, expression in enumerate(wish.selectors):
            match self._answer(expression, device.kind):
                case str() as error:
                    raise Fault(claim, f"{_where(number, device, error)}: {error}")
                case False:
                    return False
        return True

    def _answer(self, expression: str, kind: Kind) -> bool | str:
        key = (expression, kind.number)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._ask(expression, kind)
        return answer

    def _ask(self, expression: str, kind: Kind) -> bool | str:
        try:
            bindings = self._bindings.get(kind.number)
            if bindings is None:
                bindings = self._bindings[kind.number] = bindings_of(kind.spec, kind.driver)
            return satisfies(expression, bindings)
        except SelectorError as error:
            return str(error)


def _where(number: int, device: Device, error: str) -> str:
    compiled = error.startswith("CEL compile error")
    return f"selector #{number}" if compiled else f"selector #{number} on device {device.id}"


def is_kept_away(wish: Wish, kind: Kind) -> bool:
    """Say whether a taint of such devices keeps a request away."""
    return any(not any(tolerates(each, taint) for each in wish.tolerations) for taint in kind.taints)
