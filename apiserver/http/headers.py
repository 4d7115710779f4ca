"""Reading request headers that may come several times.

A mapping of headers gives one value per name; where the listener's mapping can give all (`getall`), all
are used.
"""

from collections.abc import Callable, Mapping


def all_values(headers: Mapping[str, str], name: str) -> list[str]:
    """Return every value of a header, in order; [] if it is not there."""
    getall: Callable[[str, list[str]], list[str]] | None = getattr(headers, "getall", None)
    if getall is not None:
        return list(getall(name, []))
    value = headers.get(name)
    return [] if value is None else [value]
