"""Which names a definition gets, and what its conditions say."""

from datetime import UTC, datetime

import pytest

from api.crd.names import decide

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = datetime(2026, 1, 2, tzinfo=UTC)
_NAMES = {"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList"}


def _definition(status=None, group="example.com", annotations=None, **names):
    metadata = {"name": f"boxes.{group}", "annotations": annotations or {}}
    return {
        "metadata": metadata,
        "spec": {"group": group, "names": {**_NAMES, **names}},
        "status": status or {},
    }


def _holding(**names):
    return [{"status": {"acceptedNames": names}}]


def _condition(status, name):
    return next(condition for condition in status["conditions"] if condition["type"] == name)


def test_free_names_are_accepted_at_once():
    status = decide(_definition(shortNames=["bx"], categories=["all"]), [], _NOW)
    assert status["acceptedNames"] == {**_NAMES, "shortNames": ["bx"], "categories": ["all"]}
    assert _condition(status, "NamesAccepted") == {
        "type": "NamesAccepted",
        "status": "True",
        "reason": "NoConflicts",
        "message": "no conflicts found",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    assert _condition(status, "Established")["reason"] == "InitialNamesAccepted"


def test_what_was_decided_stays():
    status = decide(_definition(), [], _NOW)
    assert decide(_definition(status), [], _LATER) == status


@pytest.mark.parametrize(
    ("names", "held", "reason", "message"),
    [
        pytest.param({}, {"plural": "boxes"}, "PluralConflict", '"boxes" is already in use', id="plural"),
        pytest.param(
            {}, {"shortNames": ["box"]}, "SingularConflict", '"box" is already in use', id="singular"
        ),
        pytest.param({}, {"kind": "Box"}, "KindConflict", '"Box" is already in use', id="kind"),
        pytest.param(
            {}, {"listKind": "BoxList"}, "ListKindConflict", '"BoxList" is already in use', id="list-kind"
        ),
        pytest.param(
            {"shortNames": ["bx", "by"]},
            {"plural": "bx", "singular": "by"},
            "ShortNamesConflict",
            '["bx" is already in use, "by" is already in use]',
            id="short-names",
        ),
    ],
)
def test_taken_names_are_refused(names, held, reason, message):
    status = decide(_definition(**names), _holding(**held), _NOW)
    condition = _condition(status, "NamesAccepted")
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", reason, message)
    assert _condition(status, "Established")["reason"] == "NotAccepted"


def test_own_names_are_no_conflict_and_established_is_for_good():
    first = decide(_definition(), [], _NOW)
    status = decide(_definition(first, kind="Crate"), _holding(kind="Crate"), _LATER)
    assert status["acceptedNames"]["kind"] == "Box"
    assert _condition(status, "NamesAccepted")["reason"] == "KindConflict"
    assert _condition(status, "Established")["status"] == "True"


@pytest.mark.parametrize(
    ("annotation", "reason", "state"),
    [
        pytest.param("https://example.com/1", "ApprovedAnnotation", "True", id="url"),
        pytest.param("unapproved, experimental", "UnapprovedAnnotation", "False", id="unapproved"),
        pytest.param("because", "InvalidAnnotation", "False", id="nonsense"),
        pytest.param("", "MissingAnnotation", "False", id="missing"),
    ],
)  # fmt: skip
def test_groups_of_the_community_tell_of_their_approval(annotation, reason, state):
    annotations = {"api-approved.kubernetes.io": annotation}
    status = decide(_definition(group="apps.k8s.io", annotations=annotations), [], _NOW)
    condition = _condition(status, "KubernetesAPIApprovalPolicyConformant")
    assert (condition["reason"], condition["status"]) == (reason, state)
