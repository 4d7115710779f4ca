"""`find` and `findAll` with regular expressions. Spec: k8s.io/apiserver/pkg/cel/library/regex.go (1.36)."""

from api.cel.declarations import Library, Overload
from api.cel.library.pattern import compile_pattern
from api.cel.library.standard import pattern_bound, pattern_cost
from api.cel.types import INT, STRING, list_of


def _find(text: str, pattern: str) -> str:
    match = compile_pattern(pattern).search(text)
    return str(match.group()) if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    for match in compile_pattern(pattern).finditer(text):
        if len(found) == limit:
            break
        found.append(match.group())
    return found


FUNCTIONS: Library = {
    "find": (Overload((STRING, STRING), STRING, _find, True, pattern_cost, pattern_bound),),
    "findAll": tuple(
        Overload(args, list_of(STRING), _find_all, True, pattern_cost, pattern_bound)
        for args in ((STRING, STRING), (STRING, STRING, INT))
    ),
}
