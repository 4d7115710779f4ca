"""Where the API server asks for decisions: what the Lease says, and what is wrong with it."""

from typing import Any

import orjson
import pytest

from api.errors import ServiceUnavailable
from apiserver.subresources.decision import ANNOTATION, Announcement, parse_announcement

SAID = {"address": "10.0.0.1:10259", "certificate": "PEM", "holder": "us_1"}


def lease(said: Any = None, holder: str = "us_1") -> Any:
    raw = said if isinstance(said, str) else orjson.dumps(said).decode()
    annotations = {} if said is None else {ANNOTATION: raw}
    return {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": holder} if holder else {}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(lease(SAID), Announcement("10.0.0.1", 10259, "PEM"), id="v4"),
        pytest.param(lease({**SAID, "address": "[fd00::1]:1"}), Announcement("fd00::1", 1, "PEM"), id="v6"),
        pytest.param(
            lease({**SAID, "holder": ""}, ""), Announcement("10.0.0.1", 10259, "PEM"), id="without-election"
        ),
    ],
)
def test_found(found: Any, expected: Announcement) -> None:
    assert parse_announcement(found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(None, "There is no Lease", id="no-lease"),
        pytest.param(lease(None, ""), "does not say where", id="no-annotation"),
        pytest.param(lease(None), "which us_1 holds, does not say where", id="anothers-lease"),
        pytest.param(lease({**SAID, "holder": "them"}), "is held by us_1", id="an-old-annotation"),
        pytest.param(lease(SAID, ""), "is held by nobody", id="given-back"),
        pytest.param(lease("{"), "malformed", id="no-json"),
        pytest.param(lease([]), "malformed", id="no-object"),
        pytest.param(lease({**SAID, "address": "example.com:1"}), "malformed", id="a-name"),
        pytest.param(lease({**SAID, "address": "10.0.0.1:x"}), "malformed", id="no-port"),
        pytest.param(lease({**SAID, "address": None}), "malformed", id="no-address"),
    ],
)
def test_not_found(found: Any, expected: str) -> None:
    with pytest.raises(ServiceUnavailable, match=expected) as caught:
        parse_announcement(found)
    assert "pelamis scheduler" in caught.value.message


def test_addresses_of_version_6_are_written_in_brackets() -> None:
    assert Announcement("fd00::1", 7, "").origin == "https://[fd00::1]:7"
