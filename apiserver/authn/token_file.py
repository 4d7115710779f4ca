"""Static bearer tokens: a CSV file of `token,user,uid,"group1,group2"`, read at start.

Source: k8s.io/apiserver/pkg/authentication/token/tokenfile (1.36).
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from apiserver.http.message import User


class TokenFile:
    """Authenticates tokens known from the start."""

    def __init__(self, tokens: dict[str, User]) -> None:
        self._tokens = tokens

    @classmethod
    def load(cls, path: Path) -> "TokenFile":
        """Read a token file. Raises `OSError`, or `ValueError` that says which line is wrong."""
        with path.open(newline="") as lines:
            return cls(parse(lines))

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Return the user of a known token; such tokens are for the API server alone."""
        return None if audiences else self._tokens.get(token)


def parse(lines: Iterable[str]) -> dict[str, User]:
    """Return the users by token. Raises `ValueError`."""
    users: dict[str, User] = {}
    for number, row in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3:
            raise ValueError(
                f"token file must have at least 3 columns (token, user name, user uid), line {number}"
            )
        if not row[0]:
            raise ValueError(f"empty token has been found in line {number}")
        groups = tuple(part.strip() for part in row[3].split(",") if part.strip()) if len(row) > 3 else ()
        users[row[0]] = User(row[1], groups, row[2])
    return users
